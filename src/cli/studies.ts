import { access, readdir, readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Config } from '../config/load.ts'
import { suggestion } from '../config/problems.ts'
import type { GuestConfig, StudyConfig } from '../config/schema.ts'
import { fullName, loadSuite } from '../config/suite.ts'
import { UsageError } from '../lib/errors.ts'

/** A study as commands name it: one of the config, or part of a suite. */
export interface FoundStudy {
  /** What it is called in vms' names, the journal and labels: `demo`, `paper-buses`. */
  name: string
  /** What names it again: `demo`, `/lab/studies/paper.yaml#buses`. */
  reference: string
  study: StudyConfig
  guest: GuestConfig
}

/**
 * The studies that the words of a command line stand for, each once: `demo`, a study of the config; `paper`, all of a
 * suite in the folder of the config or its `studies`; `studies/paper.yaml`, all of a file; with `#buses`, one part.
 */
export async function findStudies(words: readonly string[], config: Config): Promise<FoundStudy[]> {
  const found: FoundStudy[] = []
  for (const [file, parts] of byFile(
    await Promise.all(words.map((word) => placeOf(word, config))),
  )) {
    found.push(
      ...(file === undefined ? ofConfig(parts ?? [], config) : await ofSuite(file, parts, config)),
    )
  }
  const byName = new Map(found.map((study) => [study.name, study]))
  return [...byName.values()]
}

/** Where a study stands; without a file in the config. */
interface Place {
  file?: string
  /** All of a suite when absent. */
  part?: string
}

async function placeOf(word: string, config: Config): Promise<Place> {
  const [, path, part] = /^(.*?)(?:#(.*))?$/.exec(word)!
  if (/\/|\.ya?ml$/.test(path!)) return { file: resolve(path!), part }
  if (part === undefined && Object.hasOwn(config.studies, path!)) return { part: path! }
  for (const file of suiteFiles(path!, config)) if (await exists(file)) return { file, part }
  throw new UsageError(await unknown(path!, config))
}

/** Each file once, in the order in which it is first named; a suite that is named whole is wanted whole. */
function byFile(places: readonly Place[]): Map<string | undefined, string[] | undefined> {
  const groups = Map.groupBy(places, ({ file }) => file)
  return new Map(
    [...groups].map(([file, group]) => {
      const parts = group.flatMap(({ part }) => part ?? [])
      return [file, parts.length < group.length ? undefined : parts]
    }),
  )
}

function ofConfig(names: readonly string[], { studies, guests }: Config): FoundStudy[] {
  return names.map((name) => {
    const study = studies[name]!
    return { name, reference: name, study, guest: guests[study.guest]! }
  })
}

async function ofSuite(
  file: string,
  parts: readonly string[] | undefined,
  config: Config,
): Promise<FoundStudy[]> {
  const suite = await loadSuite(file, config, parts)
  const order = parts ?? Object.keys(suite.studies)
  return order.map((part) => {
    const study = suite.studies[part]!
    const name = fullName(suite.name, part)
    return { name, reference: `${file}#${part}`, study, guest: config.guests[study.guest]! }
  })
}

function suiteFiles(name: string, config: Config): string[] {
  return foldersOf(config).map((folder) => join(folder, `${name}.yaml`))
}

function foldersOf({ file }: Config): string[] {
  return [join(dirname(file), 'studies'), dirname(file)]
}

async function unknown(word: string, config: Config): Promise<string> {
  const studies = Object.keys(config.studies)
  const suites = [...new Set((await Promise.all(foldersOf(config).map(suitesIn))).flat())].sort()
  const beside = suites.length === 0 ? '' : `; suites beside it are ${suites.join(', ')}`
  const meant = suggestion(word, [...studies, ...suites])
  return `no study ${word}; ${config.file} has ${studies.join(', ') || 'none'}${beside}${meant}`
}

/** By what they hold: a config may stand beside them. */
async function suitesIn(folder: string): Promise<string[]> {
  const files = await readdir(folder).catch((): string[] => [])
  const names = files.flatMap((file) => /^(.*)\.yaml$/.exec(file)?.[1] ?? [])
  const texts = await Promise.all(
    names.map((name) => readFile(join(folder, `${name}.yaml`), 'utf8').catch(() => '')),
  )
  return names.filter((_, index) => isSuite(texts[index]!))
}

function isSuite(text: string): boolean {
  return /^(studies|extends):/m.test(text) && !/^(state|tiers|guests):/m.test(text)
}

async function exists(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  )
}
