import { formatBytes, formatSeconds } from '../lib/quantities.ts'
import { installProblems } from './install-rules.ts'
import { type Problem, unknownName } from './problems.ts'
import type { Readable } from './readable.ts'
import type { GuestConfig } from './schema.ts'
import { roomBeside, rootDrive } from './system-rules.ts'
import type { WorkloadConfig } from './workload-schema.ts'

// busybox dd drops O_DIRECT for smaller blocks without a word (seen at 512 and 1536 bytes).
const DIRECT_UNIT = 4096
// mke2fs leaves 92 % of 64 MiB and 98 % of 1 GiB and more; ext2's indirect blocks take another 0.4 %.
const USABLE_SHARE = 0.9
const MIB = 2 ** 20
// Debian's fio is linked with libceph-common, whose 130 MiB of zeros the kernel maps only if it has more in all: with 160 MiB
// fio "cannot map zero-fill pages".
const FIO_MEMORY = 192 * MIB

/** As much of a guest as a workload has to do with. */
export type WorkloadGuest = Readable<
  Pick<GuestConfig, 'system' | 'memory' | 'drives' | 'deadlines'>
>

/**
 * Why a guest cannot do a workload; `kind` is what one of its drives is called. Paths begin at the workload's own options.
 */
export function workloadProblems(
  workload: WorkloadConfig,
  guest: WorkloadGuest,
  kind = 'drive of the guest',
): Problem[] {
  if (workload.kind === 'idle') return []
  const names = Object.keys(guest.drives ?? {})
  const drive = workload.drive ?? names[0]
  if (drive === undefined) return []
  if (!names.includes(drive)) return [problem('drive', unknownName(kind, drive, names))]
  if (workload.kind === 'install') return installProblems(workload, guest, drive)
  return [
    ...systemMistakes(workload, drive, guest),
    ...timeMistakes(workload, guest),
    ...(workload.kind === 'boot-write-shutdown' ? writeMistakes(workload, drive, guest) : []),
  ]
}

function systemMistakes(
  workload: Exclude<WorkloadConfig, { kind: 'idle' | 'install' }>,
  drive: string,
  guest: WorkloadGuest,
): Problem[] {
  if (workload.kind === 'fio' && guest.system === 'appliance') {
    const message = 'the appliance has no fio; expected a guest with the system debian or an image'
    return [{ path: [], at: 'key', message }]
  }
  const { memory } = guest
  if (workload.kind === 'fio' && guest.system === 'debian' && memory && memory < FIO_MEMORY) {
    const message = `expected a guest with at least ${formatBytes(FIO_MEMORY)} of memory, got ${formatBytes(memory)}`
    return [{ path: [], at: 'key', message }]
  }
  if (drive !== rootDrive(guest) || workload.to !== 'device') return []
  const message = `expected filesystem on drive ${drive}, which the system is on, got device`
  return [problem('to', message)]
}

/** The guest is to say that it took too long, before the host ends it without a word of its own. */
function timeMistakes(workload: WorkloadConfig, { deadlines }: WorkloadGuest): Problem[] {
  const limit = deadlines?.phase
  if (!('timeout' in workload) || limit === undefined || workload.timeout < limit) return []
  const most = `less than ${formatSeconds(limit)}, the guest's deadlines.phase`
  return [problem('timeout', `expected ${most}, got ${formatSeconds(workload.timeout)}`)]
}

function writeMistakes(
  workload: Extract<WorkloadConfig, { kind: 'boot-write-shutdown' }>,
  drive: string,
  guest: WorkloadGuest,
): Problem[] {
  const { write, blockSize, direct, to } = workload
  const size = guest.drives?.[drive]?.size ?? Number.POSITIVE_INFINITY
  const besideSystem = guest.system === 'debian' && drive === rootDrive(guest)
  const whole = besideSystem ? roomBeside(size) : size
  const room = to === 'filesystem' ? whole * USABLE_SHARE : whole
  const share = besideSystem ? 'nine tenths of what the system leaves of' : 'nine tenths of'
  const what = to === 'filesystem' ? `${share} drive ${drive}` : `the size of drive ${drive}`
  const problems: Problem[] = []
  if (write > room) {
    const message = `expected at most ${formatBytes(room)} (${what}), got ${formatBytes(write)}`
    problems.push(problem('write', message))
  }
  if (blockSize > write) {
    const message = `expected at most ${formatBytes(write)} (what is written), got ${formatBytes(blockSize)}`
    problems.push(problem('blockSize', message))
  }
  for (const [key, value] of Object.entries({ write, blockSize })) {
    if (!direct || value % DIRECT_UNIT === 0) continue
    problems.push(problem(key, `expected a multiple of 4KiB, as direct writes need, got ${value}B`))
  }
  return problems
}

function problem(key: string, message: string): Problem {
  return { path: [key], at: 'value', message }
}
