import { once } from 'node:events'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { loadConfig } from '../config/load.ts'
import type { JournalReader } from '../journal/journal.ts'
import { listStudies, readStudy, type StudyRecord } from '../journal/read-study.ts'
import { openReader } from '../journal/reader.ts'
import { KvmioError } from '../lib/errors.ts'
import type { CommonOptions } from './options.ts'
import { csvRow, type RunRow, runRow } from './run-row.ts'

export interface ExportOptions extends CommonOptions {
  /** By their names in the journal; all of them when there is none. */
  studies: readonly string[]
  format: 'jsonl' | 'csv'
  /** Whether the seconds of each run come too; JSON Lines only. */
  samples: boolean
}

/**
 * Prints the runs that the journal has, also while another kvmio writes it. JSON Lines: a line for each study, block and
 * run, with all that is known. CSV: a row for each run, with columns for what any of them has.
 */
export async function exportJournal(options: ExportOptions, output: Writable): Promise<void> {
  const { state } = await loadConfig(options.configFile)
  using journal = openReader(join(state, 'journal.sqlite'))
  const studies = chosen(journal, options.studies)
  const lines =
    options.format === 'csv' ? csv(journal, studies) : jsonLines(journal, studies, options.samples)
  for (const line of lines) {
    if (!output.write(`${line}\n`)) await once(output, 'drain')
  }
}

interface Chosen {
  name: string
  hash: string
}

/** Of a name that has had several contents all of them, the oldest first. */
function chosen(journal: JournalReader, names: readonly string[]): Chosen[] {
  const all = listStudies(journal).toReversed()
  const known = [...new Set(all.map(({ name }) => name))]
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0) {
    throw new KvmioError(
      `no study ${unknown.join(', ')} in the journal; it has ${known.join(', ') || 'none'}`,
    )
  }
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name))
}

function* jsonLines(
  journal: JournalReader,
  studies: readonly Chosen[],
  samples: boolean,
): Generator<string> {
  for (const study of read(journal, studies, samples)) {
    const { blocks, ...of } = study
    yield JSON.stringify({ type: 'study', ...of })
    for (const { runs, ...block } of blocks) {
      yield JSON.stringify({ type: 'block', study: of.name, hash: of.hash, ...block })
      for (const run of runs) {
        const at = { study: of.name, hash: of.hash, block: block.number }
        yield JSON.stringify({ type: 'run', ...at, ...withParsed(run) })
      }
    }
  }
}

function* csv(journal: JournalReader, studies: readonly Chosen[]): Generator<string> {
  const rows: RunRow[] = []
  for (const study of read(journal, studies, false)) {
    for (const block of study.blocks) {
      for (const run of block.runs) rows.push(runRow(study, block, run))
    }
  }
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  yield csvRow(columns)
  for (const row of rows) yield csvRow(columns.map((column) => row[column]))
}

function* read(
  journal: JournalReader,
  studies: readonly Chosen[],
  samples: boolean,
): Generator<StudyRecord> {
  for (const { name, hash } of studies) {
    const study = readStudy(journal, name, { hash, samples })
    if (study) yield study
  }
}

type Run = StudyRecord['blocks'][number]['runs'][number]

/** What a guest's program has reported as JSON is JSON here too. */
function withParsed(run: Run): object {
  return {
    ...run,
    vms: run.vms.map(({ results, ...vm }) => ({
      ...vm,
      results: Object.fromEntries(
        Object.entries(results).map(([name, content]) => [name, parsed(content)]),
      ),
    })),
  }
}

function parsed(content: string): unknown {
  try {
    return JSON.parse(content)
  } catch {
    return content
  }
}
