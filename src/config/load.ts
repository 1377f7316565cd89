import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml'
import type { z } from 'zod'
import { ConfigError, codeOf, messageOf } from '../lib/errors.ts'
import { withAbsolutePaths } from './paths.ts'
import { type Path, type Problem, schemaProblems, shown } from './problems.ts'
import { readable } from './readable.ts'
import { fixedKeyProblems, ruleProblems } from './rules.ts'
import { type ConfigFile, configSchema } from './schema.ts'

/** What a config file says, with every default filled in and every path absolute. */
export interface Config extends ConfigFile {
  /** Absolute. */
  file: string
  /** SHA-256 of the text, in hex. */
  hash: string
}

/** Reads a config file. Throws a {@link ConfigError} with all its mistakes; with the config in force also if a key that must stay has changed. */
export async function loadConfig(file: string, running?: Config): Promise<Config> {
  return parseConfig(await readText(file), file, running)
}

/** The same, from a text that is already there; the file is only named. */
export function parseConfig(text: string, file: string, running?: Config): Config {
  const folder = dirname(resolve(file))
  const source = parseSource(text, file, 'a mapping with tiers, guests and studies')
  const parts = readable(configSchema, source.value) ?? {}
  const config = checked(source, configSchema, [
    ...ruleProblems(parts, folder),
    ...fixedKeyProblems(parts, folder, running),
  ])
  const hash = createHash('sha256').update(text).digest('hex')
  return { ...withAbsolutePaths(config, folder), file: resolve(file), hash }
}

/** The text of a config file. Throws a {@link ConfigError} that says why it cannot be had. */
export async function readText(file: string): Promise<string> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (error) {
    const remedy = 'pass --config.file or start in the folder that has one'
    throw new ConfigError([`${file}: ${unreadable(error, remedy)}`])
  }
  if (!isUtf8(bytes)) throw new ConfigError([`${file}: expected UTF-8 text, got other bytes`])
  return bytes.toString()
}

/** Why a file cannot be read, with what to do about it when there is none. */
export function unreadable(error: unknown, remedy?: string): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return remedy === undefined ? 'no such file' : `no such file; ${remedy}`
    case 'EISDIR':
      return 'expected a file, got a directory'
    default:
      return `cannot be read: ${messageOf(error)}`
  }
}

/** A text that is YAML, and where its keys and values stand. */
export interface Source {
  file: string
  value: unknown
  lines: LineCounter
  /** By path, as JSON; the last one where a key is there twice, since its value counts. */
  entries: ReadonlyMap<string, Entry>
  /** Keys that are there twice: the text is still worth a look at its other mistakes. */
  mistakes: readonly Mistake[]
}

interface Entry {
  path: Path
  /** Offsets in the text. */
  key: number
  value: number
}

interface Mistake {
  /** In the text. */
  offset: number
  message: string
}

/** The value by its schema, unless it or the other problems have mistakes. */
export function checked<Schema extends z.ZodType>(
  source: Source,
  schema: Schema,
  others: readonly Problem[],
): z.output<Schema> {
  const problems = [...schemaProblems(schema, source.value), ...others]
  const located = problems.map((problem) => locate(problem, source.entries))
  report([...source.mistakes, ...located], source)
  return schema.parse(source.value)
}

function report(mistakes: readonly Mistake[], { file, lines }: Pick<Source, 'file' | 'lines'>) {
  if (mistakes.length === 0) return
  const inOrder = mistakes.toSorted((a, b) => a.offset - b.offset)
  throw new ConfigError(
    inOrder.map(({ offset, message }) => {
      const { line, col } = placeOf(offset, lines)
      return `${file}:${line}:${col}: ${message}`
    }),
  )
}

function placeOf(offset: number, lines: LineCounter) {
  // An empty text has no line that the counter could know.
  return lines.lineStarts.length === 0 ? { line: 1, col: 1 } : lines.linePos(offset)
}

/** The place of a problem: where its path is not in the text, that of the nearest key above. */
function locate({ path, at, message }: Problem, entries: Source['entries']): Mistake {
  const text = dotted(path)
  const worded = text === '' ? message : `${text}: ${message}`
  for (let depth = path.length; depth > 0; depth--) {
    const entry = entries.get(JSON.stringify(path.slice(0, depth)))
    if (!entry) continue
    return { offset: depth === path.length ? entry[at] : entry.key, message: worded }
  }
  const [first] = entries.values()
  return { offset: first?.key ?? 0, message: worded }
}

function dotted(path: Path): string {
  return path
    .map((key) => {
      if (typeof key === 'number') return `[${key}]`
      return `.${/^[\w.-]+$/.test(key) ? key : JSON.stringify(key)}`
    })
    .join('')
    .replace(/^\./, '')
}

/** What a text says, by places. Throws a {@link ConfigError} where it is no YAML that a config could be. */
export function parseSource(textOrMarked: string, file: string, expected: string): Source {
  const text = textOrMarked.replace(/^\uFEFF/, '') // a byte order mark is no column
  const lines = new LineCounter()
  try {
    const doc = parseDocument(text, {
      version: '1.2',
      lineCounter: lines,
      prettyErrors: false,
      stringKeys: true,
    })
    const all = entriesOf(doc.contents, [])
    const entries = new Map(all.map((entry) => [JSON.stringify(entry.path), entry]))
    const faults: YAMLError[] = [...doc.errors, ...doc.warnings]
    const fatal = faults.filter(({ code }) => code !== 'DUPLICATE_KEY')
    const twice = faults.filter(({ code }) => code === 'DUPLICATE_KEY')
    const mistakes = twice.map(({ pos }) => duplicate(pos[0], all, lines))
    report([...onceALine(fatal, text, lines), ...unusable(doc, all)], { file, lines })
    const value: unknown = doc.toJS()
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      const found = text.trim() === '' ? 'an empty file' : shown(value)
      report([{ offset: 0, message: `expected ${expected}, got ${found}` }], { file, lines })
    }
    return { file, value, lines, entries, mistakes }
  } catch (error) {
    if (error instanceof ConfigError) throw error
    // Aliases of aliases of aliases, or thousands of brackets.
    const message = `expected a text that can be unfolded, got one that cannot: ${messageOf(error)}`
    throw new ConfigError([`${file}:1:1: ${message}`])
  }
}

/** Every key and list item of the text, in its order. */
function entriesOf(node: unknown, path: Path): Entry[] {
  if (isMap(node)) {
    return node.items.flatMap(({ key, value }) => {
      const inner = [...path, String(isScalar(key) ? key.value : key)]
      const offset = offsetOf(key) ?? 0
      const entry = { path: inner, key: offset, value: offsetOf(value) ?? offset }
      return [entry, ...entriesOf(value, inner)]
    })
  }
  if (isSeq(node)) {
    return node.items.flatMap((item, index) => {
      const inner = [...path, index]
      const offset = offsetOf(item) ?? 0
      return [{ path: inner, key: offset, value: offset }, ...entriesOf(item, inner)]
    })
  }
  return []
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined
}

function duplicate(offset: number, all: readonly Entry[], lines: LineCounter): Mistake {
  const path = JSON.stringify(all.find(({ key }) => key === offset)?.path ?? [])
  const first = all.find((entry) => JSON.stringify(entry.path) === path)
  const { line } = placeOf(first?.key ?? 0, lines)
  const message = `expected each key once, got it again after line ${line}`
  return { offset, message: `${dotted(JSON.parse(path))}: ${message}` }
}

/** The first mistake of each line: what the parser says after it is mostly the consequence. */
function onceALine(faults: readonly YAMLError[], text: string, lines: LineCounter): Mistake[] {
  const byLine = Map.groupBy(faults, ({ pos }) => lines.linePos(pos[0]).line)
  return [...byLine.values()].map(([fault]) => {
    const [offset] = fault!.pos
    const begin = text.lastIndexOf('\n', offset - 1) + 1
    const tab = /^ *\t/.exec(text.slice(begin))
    return tab
      ? { offset: begin + tab[0].length - 1, message: 'expected spaces to indent, got a tab' }
      : { offset, message: inWords(fault!) }
  })
}

function inWords({ code, message }: YAMLError): string {
  switch (code) {
    case 'MULTIPLE_DOCS':
      return 'expected one document, got a second one'
    case 'NON_STRING_KEY':
      return 'expected a plain key, got a list, a mapping or an alias'
    case 'RESOURCE_EXHAUSTION':
      return 'expected a text that can be read, got one with too many brackets in brackets'
    case 'TAG_RESOLVE_FAILED':
      return `expected values without tags, got ${message.replace(/^Unresolved tag: /, '')}`
    default:
      return `expected YAML: ${message}`
  }
}

/** What is YAML, and yet nothing that a config could mean. */
function unusable(doc: Document.Parsed, entries: readonly Entry[]): Mistake[] {
  const mistakes = entries
    .filter(({ path }) => path.at(-1) === '__proto__')
    .map(({ key }) => ({ offset: key, message: 'expected another key, got "__proto__"' }))
  if (doc.directives.yaml.version !== '1.2') {
    const message = `expected YAML 1.2, got ${doc.directives.yaml.version}`
    mistakes.push({ offset: 0, message })
  }
  visit(doc, {
    Alias(_, alias) {
      if (alias.resolve(doc)) return
      const message = `expected an alias of an anchor above, got *${alias.source}`
      mistakes.push({ offset: offsetOf(alias) ?? 0, message })
    },
  })
  return mistakes
}
