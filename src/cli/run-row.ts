import type { LayerCount } from '../journal/layer-counts.ts'
import type { BlockRecord, RunRecord, StudyRecord } from '../journal/read-study.ts'
import type { RunFindings } from '../study/findings.ts'

/** One run as a flat row: by column. What is not known is absent. */
export type RunRow = Record<string, string | number | boolean | undefined>

const COUNTS = {
  reads: 'reads',
  readBytes: 'read_bytes',
  writes: 'writes',
  writtenBytes: 'written_bytes',
  flushes: 'flushes',
  discards: 'discards',
  discardedBytes: 'discarded_bytes',
} as const

/** Times are Unix seconds; a phase takes as long as in the slowest vm; counts are those of all vms, or devices, together. */
export function runRow(
  { name, hash }: Pick<StudyRecord, 'name' | 'hash'>,
  block: Omit<BlockRecord, 'runs'>,
  run: RunRecord,
): RunRow {
  const findings = run.findings as RunFindings | undefined
  return {
    study: name,
    hash,
    block: block.number,
    block_ended: block.endedAt !== undefined,
    block_void: block.voidReason,
    run: run.id,
    case: run.case,
    ...prefixed('factor_', run.factors),
    outcome: run.outcome,
    reason: run.reason,
    started_at: run.startedAt,
    ended_at: run.endedAt,
    vms: run.vms.length,
    ...prefixed('phase_', slowest(run), '_seconds'),
    transactions_per_second: findings?.transactions,
    cpu_busy: findings?.cpu?.busy,
    cpu_stolen: findings?.cpu?.stolen,
    ...layers([...run.vms.flatMap(({ counts }) => counts), ...run.counts]),
  }
}

/** A row of RFC 4180. */
export function csvRow(values: readonly (string | number | boolean | undefined)[]): string {
  return values
    .map((value = '') => {
      const text = String(value)
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
    })
    .join(',')
}

function slowest({ vms }: RunRecord): Record<string, number> {
  const longest: Record<string, number> = {}
  for (const { phase, seconds } of vms.flatMap(({ phases }) => phases)) {
    if (seconds !== undefined) longest[phase] = Math.max(longest[phase] ?? 0, seconds)
  }
  return longest
}

/** A sum of which a part is not known is not known. */
function layers(counts: readonly LayerCount[]): RunRow {
  const row: RunRow = {}
  for (const [layer, of] of Map.groupBy(counts, ({ layer }) => layer)) {
    for (const [key, column] of Object.entries(COUNTS) as [keyof typeof COUNTS, string][]) {
      const values = of.flatMap((count) => count[key] ?? [])
      if (values.length < of.length) continue
      row[`${layer}_${column}`] = values.reduce((sum, value) => sum + value, 0)
    }
  }
  return row
}

function prefixed(prefix: string, values: Readonly<RunRow>, suffix = ''): RunRow {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [`${prefix}${key}${suffix}`, value]),
  )
}
