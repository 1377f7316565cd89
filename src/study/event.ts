import type { StudyProgress } from '../attribution/records.ts'
import type { FioSummary } from '../guest/fio-summary.ts'
import type { Outcome } from '../journal/runs.ts'
import type { SkippedCase } from '../journal/studies.ts'
import type { PauseCause } from './gate.ts'

/** What a study tells while it goes on; plain data, since it may cross the control socket. */
export type StudyEvent =
  | {
      type: 'study'
      study: string
      cases: string[]
      skipped: SkippedCase[]
      vms: number
    }
  | {
      type: 'run-started'
      study: string
      case: string
      block: number
      run: number
      done: number
      of: number
    }
  | { type: 'phase'; study: string; vm: string; phase: string; uptime: number }
  | ({ type: 'run-ended' } & RunSummary)
  | { type: 'waiting'; study: string; for: string }
  | { type: 'block-ended'; study: string; block: number; void?: string }
  | { type: 'paused'; study: string; cause: PauseCause; reason: string }
  | { type: 'resumed'; study: string }
  | ({ type: 'progress'; study: string } & StudyProgress)
  | { type: 'second'; study: string; vms: Record<string, number> }

/** How one run went, for a table. */
export interface RunSummary {
  study: string
  case: string
  block: number
  run: number
  outcome: Outcome
  reason?: string
  /** Seconds by phase, in order: the slowest vm. */
  phases: Record<string, number>
  /** Transactions per second in the phase that writes (or is fio's or a script's): the mean of one vm, and the device under the tier. */
  vmTransactions?: number
  /** The share of the host's processor time that its own hypervisor gave to others meanwhile, 0 to 1. */
  stolen?: number
  /** The share of their time in which this host's processors were busy meanwhile, 0 to 1. */
  cpuBusy?: number
  /** What fio reported, where the workload is fio. */
  fio?: FioSummary
  devices: { tier: string; device: string; low: number; high: number; seconds: number }[]
}
