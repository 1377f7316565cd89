import { readFile, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type Config, loadConfig } from '../config/load.ts'
import type { JournalReader } from '../journal/journal.ts'
import { listStudies, readStudy } from '../journal/read-study.ts'
import { openReader } from '../journal/reader.ts'
import { codeOf, KvmioError, messageOf, UsageError } from '../lib/errors.ts'
import { type Analysis, analyse } from '../study/report/analysis.ts'
import { casesCsv, runsCsv } from '../study/report/csv.ts'
import { studyResults } from '../study/report/from-journal.ts'
import { parseReportJson, reportJson } from '../study/report/json.ts'
import { documentPage } from '../study/report/page/document.ts'
import { idOf, studyChapter } from '../study/report/page/study-page.ts'
import { besideChapter } from '../study/report/page/two-page.ts'
import type { StudyResults } from '../study/report/record.ts'
import { beside } from '../study/report/two.ts'
import type { CommonOptions } from './options.ts'
import { findStudies } from './studies.ts'
import { version } from './version.ts'

export interface ReportOptions extends CommonOptions {
  /** A study, or a suite, whose runs are in the journal, or a file that `--format json` wrote; two studies are held beside each other. */
  studies: readonly string[]
  format: 'html' | 'json' | 'csv'
  /** `-` for standard output; report-STUDY.FORMAT in the current directory when absent. */
  output?: string
}

interface Reported {
  results: StudyResults
  analysis: Analysis
}

/** Writes what studies came to, and says where. */
export async function report(options: ReportOptions): Promise<void> {
  const { studies, format } = options
  if (studies.length > 2)
    throw new UsageError(`one study, or two to compare; got ${studies.length}`)
  if (studies.length === 2 && format !== 'html')
    throw new UsageError('two studies are compared as html; json and csv are of one study')
  const found: StudyResults[] = []
  for (const study of studies) {
    const results = await resultsOf(study, options)
    if (results.length > 1 && (studies.length === 2 || format !== 'html')) {
      const names = results.map(({ name }) => name).join(', ')
      throw new UsageError(`${study} is a suite; name one of its studies: ${names}`)
    }
    found.push(...results)
  }
  const reported = found.map((results) => ({ results, analysis: analyse(results) }))
  const stem = `report-${studies.map((study) => idOf(basename(study).replace(/\.(json(\.gz)?|ya?ml)/, ''))).join('-')}`
  const output = options.output ?? `${stem}.${format}`
  if (format !== 'html') await writeData(output, format, reported[0]!)
  else await write(output, await pageOf(reported, studies.length === 2))
}

/** One file or study, or those of a suite that have run. */
async function resultsOf(study: string, { configFile }: CommonOptions): Promise<StudyResults[]> {
  if (/\.json(\.gz)?$/.test(study)) return [parseReportJson(study, await readText(study))]
  const config = await loadConfig(configFile)
  using journal = openReader(join(config.state, 'journal.sqlite'))
  const names = readStudy(journal, study) ? [study] : await namesOf(study, config, journal)
  const records = names.flatMap((name) => readStudy(journal, name, { samples: true }) ?? [])
  const results = records.map(studyResults).filter(({ runs }) => runs.length > 0)
  if (results.length > 0) return results
  const known = listStudies(journal).flatMap(({ name, runs }) => (runs > 0 ? [name] : []))
  const has = [...new Set(known)].join(', ') || 'none'
  throw new UsageError(`no run of ${study} has ended; of these studies there are runs: ${has}`)
}

/** What a word stands for that is no study of the journal: a suite, or a part of one. */
async function namesOf(study: string, config: Config, journal: JournalReader): Promise<string[]> {
  try {
    return (await findStudies([study], config)).map(({ name }) => name)
  } catch (error) {
    const known = [...new Set(listStudies(journal).map(({ name }) => name))].join(', ') || 'none'
    throw new UsageError(`${messageOf(error)}; the journal has ${known}`, { cause: error })
  }
}

async function pageOf(reported: readonly Reported[], isBeside: boolean): Promise<string> {
  const [first, second] = reported
  if (!isBeside || !first || !second) {
    const chapters = reported.map(({ results, analysis }) => studyChapter(results, analysis))
    return documentPage(await Promise.all(chapters), version).text
  }
  const [one, other] = titlesOf(first.results, second.results)
  const sides = [
    { title: one, analysis: first.analysis },
    { title: other, analysis: second.analysis },
  ] as const
  const chapters = [
    besideChapter(...sides, beside(first, second)),
    studyChapter(first.results, first.analysis, one),
    studyChapter(second.results, second.analysis, other),
  ]
  return documentPage(await Promise.all(chapters), version).text
}

/** By what tells them apart: the study, else the host, else their places. */
function titlesOf(first: StudyResults, second: StudyResults): [string, string] {
  if (first.name !== second.name) return [first.name, second.name]
  const [a, b] = [first, second].map(({ runs }) => String(runs[0]?.manifest.host ?? 'unknown'))
  return a === b ? [`${a} (first)`, `${b} (second)`] : [a!, b!]
}

async function writeData(
  output: string,
  format: 'json' | 'csv',
  { results, analysis }: Reported,
): Promise<void> {
  if (format === 'json') return await write(output, reportJson(results, analysis))
  await write(output, runsCsv(results))
  // On standard output one table is what a pipe can take.
  if (output !== '-') await write(output.replace(/(\.csv)?$/, '-cases.csv'), casesCsv(analysis))
}

async function write(output: string, content: string): Promise<void> {
  if (output === '-') {
    process.stdout.write(content)
    return
  }
  try {
    await writeFile(output, content)
  } catch (error) {
    throw new KvmioError(`${output}: cannot be written: ${messageOf(error)}`, { cause: error })
  }
  process.stdout.write(`${resolve(output)}\n`)
}

async function readText(file: string): Promise<string> {
  try {
    const content = await readFile(file)
    return (file.endsWith('.gz') ? gunzipSync(content) : content).toString()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw new UsageError(`${file}: there is no such file`)
    throw new KvmioError(`${file}: cannot be read: ${messageOf(error)}`, { cause: error })
  }
}
