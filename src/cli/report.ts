import { readFile, writeFile } from 'node:fs/promises'
import { extname, join, resolve } from 'node:path'
import { loadConfig } from '../config/load.ts'
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
import { version } from './version.ts'

export interface ReportOptions extends CommonOptions {
  /** Names of studies in the journal, or files that `--format json` wrote; two are held beside each other. */
  studies: readonly string[]
  format: 'html' | 'json' | 'csv'
  /** `-` for standard output; report-STUDY.FORMAT in the current directory when absent. */
  output?: string
}

interface Reported {
  results: StudyResults
  analysis: Analysis
}

/** Writes what a study came to, and says where. */
export async function report(options: ReportOptions): Promise<void> {
  const { studies, format } = options
  if (studies.length > 2)
    throw new UsageError(`one study, or two to compare; got ${studies.length}`)
  if (studies.length === 2 && format !== 'html')
    throw new UsageError('two studies are compared as html; json and csv are of one study')
  const reported: Reported[] = []
  for (const study of studies) {
    const results = await resultsOf(study, options)
    reported.push({ results, analysis: analyse(results) })
  }
  const stem = join('.', `report-${reported.map(({ results }) => idOf(results.name)).join('-')}`)
  const output = options.output ?? `${stem}.${format}`
  if (format === 'html') await write(output, await pageOf(reported))
  else await writeData(output, format, reported[0]!)
}

async function resultsOf(study: string, { configFile }: CommonOptions): Promise<StudyResults> {
  if (extname(study) === '.json') return parseReportJson(study, await readText(study))
  const { state } = await loadConfig(configFile)
  using journal = openReader(join(state, 'journal.sqlite'))
  const record = readStudy(journal, study, { samples: true })
  if (!record) {
    const known = [...new Set(listStudies(journal).map(({ name }) => name))]
    throw new UsageError(
      `no study ${study} in the journal of ${state}; it has ${known.join(', ') || 'none'}`,
    )
  }
  const results = studyResults(record)
  if (results.runs.length === 0) throw new KvmioError(`study ${study}: no run has ended yet`)
  return results
}

async function pageOf(reported: readonly Reported[]): Promise<string> {
  const [first, second] = reported
  const chapters = []
  if (first && second) {
    const [one, other] = titlesOf(first.results, second.results)
    const sides = [
      { title: one, analysis: first.analysis },
      { title: other, analysis: second.analysis },
    ] as const
    chapters.push(await besideChapter(...sides, beside(first, second)))
  }
  for (const [index, { results, analysis }] of reported.entries()) {
    const chapter = await studyChapter(results, analysis, reported.length > 1 ? `${index + 1}` : '')
    chapters.push(chapter)
  }
  return documentPage(chapters, version).text
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
    return await readFile(file, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw new UsageError(`${file}: there is no such file`)
    throw new KvmioError(`${file}: cannot be read: ${messageOf(error)}`, { cause: error })
  }
}
