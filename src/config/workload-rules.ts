import { formatBytes } from '../lib/quantities.ts'
import { installProblems } from './install-rules.ts'
import { type Problem, unknownName } from './problems.ts'
import type { Readable } from './readable.ts'
import type { GuestConfig, WorkloadConfig } from './schema.ts'
import { roomBeside, rootDrive, systemWorkloadProblems } from './system-rules.ts'

// busybox dd drops O_DIRECT for smaller blocks without a word (seen at 512 and 1536 bytes).
const DIRECT_UNIT = 4096
// mke2fs leaves 92 % of 64 MiB and 98 % of 1 GiB and more; ext2's indirect blocks take another 0.4 %.
const USABLE_SHARE = 0.9

/** As much of a guest as a workload has to do with. */
export type WorkloadGuest = Readable<Pick<GuestConfig, 'system' | 'memory'>> & {
  drives: Readonly<Record<string, { size: number }>>
}

/**
 * What a guest cannot do of a workload; the planner asks the same of each case. Paths begin at the workload's own
 * options; `drive` is what a drive is called.
 */
export function workloadProblems(
  workload: WorkloadConfig,
  guest: WorkloadGuest,
  drive = 'drive of the guest',
): Problem[] {
  if (workload.kind === 'idle') return []
  const names = Object.keys(guest.drives)
  const name = workload.drive ?? names[0]
  if (name === undefined) return []
  if (!names.includes(name)) {
    return [{ path: ['drive'], at: 'value', message: unknownName(drive, name, names) }]
  }
  if (workload.kind === 'install') return installProblems(workload, guest, name)
  const ofWrite =
    workload.kind === 'boot-write-shutdown' ? writeProblems(workload, guest, name) : []
  return [...systemWorkloadProblems(guest, workload), ...ofWrite]
}

function writeProblems(
  workload: Extract<WorkloadConfig, { kind: 'boot-write-shutdown' }>,
  guest: WorkloadGuest,
  drive: string,
): Problem[] {
  const { write, blockSize, direct, to } = workload
  const problem = (key: string, message: string): Problem => ({ path: [key], at: 'value', message })
  const { size } = guest.drives[drive]!
  const besideSystem = guest.system === 'debian' && drive === rootDrive(guest)
  const whole = besideSystem ? roomBeside(size) : size
  const room = to === 'filesystem' ? whole * USABLE_SHARE : whole
  const share = besideSystem ? `what the system leaves of` : 'nine tenths of'
  const what = to === 'filesystem' ? `${share} drive ${drive}` : `the size of drive ${drive}`
  const found: Problem[] = []
  if (write > room) {
    const most = formatBytes(room)
    found.push(problem('write', `expected at most ${most} (${what}), got ${formatBytes(write)}`))
  }
  if (blockSize > write) {
    const most = formatBytes(write)
    const message = `expected at most ${most} (what is written), got ${formatBytes(blockSize)}`
    found.push(problem('blockSize', message))
  }
  for (const [key, value] of Object.entries({ write, blockSize })) {
    if (!direct || value % DIRECT_UNIT === 0) continue
    const message = `expected a multiple of 4KiB, as direct writes need, got ${value}B`
    found.push(problem(key, message))
  }
  return found
}
