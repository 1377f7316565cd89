import type { OperationClass } from '../../density/records.ts'
import type { Pattern } from '../../storage/calibration/fio-job.ts'

/**
 * What fio does for each class. A sequential operation is as large as the largest request that stays in one piece: with
 * 64 KiB the block layer merges what waits, and one transaction is another number of operations at each depth.
 */
export const PATTERNS: Readonly<Record<OperationClass, Pattern>> = {
  'random-read': { rw: 'randread', blockBytes: 4096 },
  'random-write': { rw: 'randwrite', blockBytes: 4096 },
  'sequential-read': { rw: 'read', blockBytes: 512 * 1024 },
  'sequential-write': { rw: 'write', blockBytes: 512 * 1024 },
  'synced-write': { rw: 'randwrite', blockBytes: 4096, synced: true },
}

/** In the order in which they are measured. */
export const CLASSES = Object.keys(PATTERNS) as readonly OperationClass[]

/** Those of which the depth that keeps the target latency is looked for: what vms are made of, and is not flushed in groups. */
export const SEARCHED: ReadonlySet<OperationClass> = new Set(['random-read', 'random-write'])

export function isSequential(name: OperationClass): boolean {
  return name.startsWith('sequential-')
}
