import { formatBytes } from '../lib/quantities.ts'
import { unknownName } from './problems.ts'
import type { WorkloadConfig } from './schema.ts'

// busybox dd drops O_DIRECT for smaller blocks without a word (seen at 512 and 1536 bytes).
const DIRECT_UNIT = 4096
// mke2fs leaves 92 % of 64 MiB and 98 % of 1 GiB and more; ext2's indirect blocks take another 0.4 %.
const USABLE_SHARE = 0.9

/** A key of the workload whose value the guest cannot do, and why. */
export interface WorkloadMistake {
  key: string
  message: string
}

/** By name; the size in bytes, which of a disk that is passed through is not known. */
type Drives = Readonly<Record<string, { size?: number }>>

/** What a guest with these drives could not do; `drive` is what one of them is called. */
export function workloadMistakes(
  workload: WorkloadConfig,
  drives: Drives,
  drive = 'drive of the guest',
): WorkloadMistake[] {
  switch (workload.kind) {
    case 'boot-write-shutdown':
      return writeMistakes(workload, drives, drive)
    case 'idle':
      return []
  }
}

function writeMistakes(
  workload: Extract<WorkloadConfig, { kind: 'boot-write-shutdown' }>,
  drives: Drives,
  kind: string,
): WorkloadMistake[] {
  const { write, blockSize, direct, to } = workload
  const names = Object.keys(drives)
  const drive = workload.drive ?? names[0]
  if (drive === undefined) return []
  const found = drives[drive]
  if (!found) return [{ key: 'drive', message: unknownName(kind, drive, names) }]
  const { size = Number.POSITIVE_INFINITY } = found
  const room = to === 'filesystem' ? size * USABLE_SHARE : size
  const what = to === 'filesystem' ? `nine tenths of drive ${drive}` : `the size of drive ${drive}`
  const mistakes: WorkloadMistake[] = []
  if (write > room) {
    const message = `expected at most ${formatBytes(room)} (${what}), got ${formatBytes(write)}`
    mistakes.push({ key: 'write', message })
  }
  if (blockSize > write) {
    const message = `expected at most ${formatBytes(write)} (what is written), got ${formatBytes(blockSize)}`
    mistakes.push({ key: 'blockSize', message })
  }
  for (const [key, value] of Object.entries({ write, blockSize })) {
    if (!direct || value % DIRECT_UNIT === 0) continue
    mistakes.push({
      key,
      message: `expected a multiple of 4KiB, as direct writes need, got ${value}B`,
    })
  }
  return mistakes
}
