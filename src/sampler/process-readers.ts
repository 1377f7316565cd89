import type { Vm } from '../attribution/records.ts'
import { HangGuard } from '../lib/hang-guard.ts'
import { type Descriptors, readDescriptors } from '../source/descriptors.ts'
import { type ProportionalMemory, readProportionalMemory } from '../source/smaps.ts'
import { PacedReader, type PacedReaderOptions } from './paced-reader.ts'

export interface ProcessReaderOptions
  extends Pick<PacedReaderOptions<number, number, never>, 'onError' | 'now'> {
  procRoot: string
  /** What may hang is read under its eyes. */
  guard?: HangGuard
  vms(): readonly Pick<Vm, 'pid'>[]
}

/** By pid. */
export type ProcessReader<T> = PacedReader<number, number, T>

const PACE_MS = 15_000

/** What each qemu takes of the host's memory: the kernel walks a whole qemu for it, and holds its page faults up meanwhile. */
export function createMemoryReader(
  options: ProcessReaderOptions,
): ProcessReader<ProportionalMemory> {
  return createReader('smaps', options, (pid) => readProportionalMemory(options.procRoot, pid))
}

/** The files that each qemu has open: the kernel counts them one by one. */
export function createDescriptorReader(options: ProcessReaderOptions): ProcessReader<Descriptors> {
  return createReader('fd', options, (pid) => readDescriptors(options.procRoot, pid))
}

function createReader<T>(
  source: string,
  { vms, guard = new HangGuard(), onError, now }: ProcessReaderOptions,
  read: (pid: number) => Promise<T>,
): ProcessReader<T> {
  return new PacedReader({
    source,
    items: () => new Map(vms().map(({ pid }) => [pid, pid])),
    read: (pid) => guard.run(`${source} ${pid}`, Number.POSITIVE_INFINITY, () => read(pid)),
    paceMs: PACE_MS,
    onError,
    now,
  })
}
