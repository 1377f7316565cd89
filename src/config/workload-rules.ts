import { formatBytes } from '../lib/quantities.ts'
import { installMistakes } from './install-rules.ts'
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

/** What a guest with these drives (size in bytes) could not do; `drive` is what one of them is called. */
export function workloadMistakes(
  workload: WorkloadConfig,
  drives: Readonly<Record<string, { size: number }>>,
  drive = 'drive of the guest',
): WorkloadMistake[] {
  if (workload.kind === 'idle') return []
  const names = Object.keys(drives)
  const name = workload.drive ?? names[0]
  if (name === undefined) return []
  const found = drives[name]
  if (!found) return [{ key: 'drive', message: unknownName(drive, name, names) }]
  switch (workload.kind) {
    case 'install':
      return installMistakes(workload, { name, ...found }, names)
    case 'boot-write-shutdown':
      return writeMistakes(workload, { name, ...found })
    default:
      return []
  }
}

function writeMistakes(
  workload: Extract<WorkloadConfig, { kind: 'boot-write-shutdown' }>,
  drive: { name: string; size: number },
): WorkloadMistake[] {
  const { write, blockSize, direct, to } = workload
  const room = to === 'filesystem' ? drive.size * USABLE_SHARE : drive.size
  const part = to === 'filesystem' ? 'nine tenths' : 'the size'
  const what = `${part} of drive ${drive.name}`
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
