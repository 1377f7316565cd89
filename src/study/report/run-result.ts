import { fioSummary } from '../../guest/fio-summary.ts'
import type { LayerCount as JournalCount } from '../../journal/layer-counts.ts'
import type { BlockRecord, RunRecord } from '../../journal/read-study.ts'
import { LAYERS, type LayerCounts, type RunResult, type Sample } from './record.ts'

/** The parts of what the runner found of a run that a report shows. */
interface Findings {
  cpu?: { busy: number; stolen?: number; saturated: boolean }
}

/** How the host stood before the vms, and for how long others were watched after them. */
interface Baseline {
  /** Unix seconds. */
  at?: number
  neighbours?: { seconds: number }
}

/** One run of the journal as a report takes it. */
export function runResult(
  name: string,
  { number, voidReason }: Pick<BlockRecord, 'number' | 'voidReason'>,
  run: RunRecord,
): RunResult {
  const isVoid = run.outcome === 'passed' && voidReason !== undefined
  const reason = isVoid ? `its block is void: ${voidReason}` : run.reason
  const baseline = (run.baseline ?? {}) as Baseline
  const from = baseline.at ?? run.startedAt
  const to = (run.endedAt ?? run.startedAt) - (baseline.neighbours?.seconds ?? 0)
  return {
    id: run.id,
    case: name,
    block: number,
    outcome: isVoid ? 'void' : run.outcome!,
    ...(reason !== undefined && { reason }),
    remarks: remarksOf((run.findings ?? {}) as Findings),
    startedAt: run.startedAt,
    seconds: Math.max(0, to - from),
    vms: run.vms.length,
    phases: slowestPhases(run),
    layers: layersOf(run),
    ...fioOf(run),
    samples: samplesOf(run),
    manifest: (run.manifest ?? {}) as RunResult['manifest'],
  }
}

// A hypervisor below that takes more than this is felt by what is measured.
const STOLEN = 0.05

function remarksOf({ cpu }: Findings): string[] {
  return [
    ...(cpu?.saturated ? ['the host’s processors were busy above 80 %'] : []),
    ...((cpu?.stolen ?? 0) >= STOLEN
      ? ['the host’s own hypervisor took 5 % of its processors or more']
      : []),
  ]
}

function slowestPhases({ vms }: RunRecord): RunResult['phases'] {
  const slowest = new Map<string, number>()
  for (const { phases } of vms) {
    const own = new Map<string, number>()
    for (const { phase, seconds } of phases) {
      if (seconds !== undefined) own.set(phase, (own.get(phase) ?? 0) + seconds)
    }
    for (const [name, seconds] of own) slowest.set(name, Math.max(slowest.get(name) ?? 0, seconds))
  }
  return [...slowest].map(([name, seconds]) => ({ name, seconds }))
}

function layersOf({ counts, vms }: RunRecord): RunResult['layers'] {
  const devices = counts.map(({ name }) => name)
  const all = [...counts, ...vms.flatMap((vm) => vm.counts)].filter(
    // A cgroup counts on each device of a stack; those under the tiers are the ones that are counted beside it.
    ({ layer, name }) => layer !== 'cgroup' || devices.includes(name),
  )
  return Object.fromEntries(
    LAYERS.flatMap((layer) => {
      const own = all.filter((count) => count.layer === layer)
      return own.length === 0 ? [] : [[layer, sumOf(own)]]
    }),
  )
}

const KEYS = ['reads', 'writes', 'flushes', 'readBytes', 'writtenBytes'] as const

/** What one part does not know the whole does not know. */
function sumOf(counts: readonly JournalCount[]): LayerCounts {
  return Object.fromEntries(
    KEYS.flatMap((key) => {
      const values = counts.flatMap((count) => count[key] ?? [])
      return values.length < counts.length ? [] : [[key, values.reduce((a, b) => a + b, 0)]]
    }),
  )
}

/** A result that cannot be read is not known. */
function fioOf({ vms }: RunRecord): Pick<RunResult, 'fioOperationsPerSecond'> {
  const outputs = vms.flatMap(({ results }) => results.fio ?? [])
  if (outputs.length === 0 || outputs.length < vms.length) return {}
  try {
    const { read, write } = fioSummary(outputs) ?? {}
    const ofOneVm = (read?.operationsPerSecond ?? 0) + (write?.operationsPerSecond ?? 0)
    return { fioOperationsPerSecond: ofOneVm * vms.length }
  } catch {
    return {}
  }
}

/** The series of a run side by side, second by second. */
function samplesOf({ samples, vms }: RunRecord): Sample[] {
  const seconds = new Map<number, Sample>()
  for (const { kind, at, transactions } of samples) {
    for (const [index, second] of at.entries()) {
      const key = Math.round(second)
      const sample = seconds.get(key) ?? { second }
      const field = kind === 'device' ? 'device' : 'vms'
      sample[field] = (sample[field] ?? 0) + transactions[index]!
      seconds.set(key, sample)
    }
  }
  const phases = vms[0]?.phases ?? []
  return [...seconds.values()]
    .sort((a, b) => a.second - b.second)
    .map((sample) => {
      const phase = phases.findLast(({ at }) => at !== undefined && at <= sample.second)?.phase
      return phase === undefined ? sample : { ...sample, phase }
    })
}
