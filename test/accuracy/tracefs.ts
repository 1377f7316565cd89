// The kernel's ring buffer of a tracepoint: https://docs.kernel.org/trace/ftrace.html
// The ends of requests come from here. They happen in a softirq, which may interrupt a program of bpftrace's, and the
// kernel runs no second one on a processor then (kernel/trace/bpf_trace.c: trace_call_bpf): one in ten was not seen.
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KvmioError } from '../../src/lib/errors.ts'
import { run } from '../../src/lib/process.ts'
import { readMounts } from '../../src/source/mounts.ts'

/** A request that ended. */
export interface EndedRequest {
  /** Nanoseconds of CLOCK_MONOTONIC, to the microsecond. */
  at: bigint
  /** Where it began. */
  sector: number
  /** What it did, in the letters of blk_fill_rwbs(). */
  rwbs: string
}

export interface EndedRequests {
  /** Everything until now; throws when the kernel dropped an event. */
  stop(): Promise<EndedRequest[]>
}

const TRACEFS = '/sys/kernel/tracing'
const BUFFER_KIB = 32_768

/** Makes tracefs be there; what it gives undoes that. */
export async function mountTracefs(): Promise<() => Promise<void>> {
  const mounts = await readMounts('/proc')
  if (mounts.some(({ mountPoint }) => mountPoint === TRACEFS)) return async () => {}
  await run('mount', ['-t', 'tracefs', 'nodev', TRACEFS])
  return async () => void (await run('umount', [TRACEFS]))
}

/** Follows the requests of one device from when this resolves. */
export async function followEnds(device: number): Promise<EndedRequests> {
  const instance = join(TRACEFS, `instances/kvmio-accuracy-${process.pid}-${device}`)
  const set = (file: string, value: string) => writeFile(join(instance, file), value)
  await mkdir(instance)
  await set('trace_clock', 'mono')
  await set('buffer_size_kb', String(BUFFER_KIB))
  await set('events/block/block_io_done/filter', `dev == ${device}`)
  await set('events/block/block_io_done/enable', '1')
  return {
    async stop() {
      await set('events/block/block_io_done/enable', '0')
      const text = await readFile(join(instance, 'trace'), 'utf8')
      const lost = await overrun(instance)
      await rmdir(instance)
      if (lost > 0)
        throw new KvmioError(`tracefs: ${lost} events were lost: the trace is not whole`)
      return parseEnds(text)
    },
  }
}

/** Lines of block_io_done, as include/trace/events/block.h prints them: `… 12.345678: block_io_done: 7,0 WS 0 () 8 + 0 …`. */
export function parseEnds(text: string): EndedRequest[] {
  const lines = text.matchAll(/ (\d+)\.(\d{6}): block_io_done: \d+,\d+ (\w+) \d+ \(.*?\) (\d+) \+/g)
  return [...lines].map(([, seconds, micros, rwbs, sector]) => ({
    at: BigInt(`${seconds}${micros}000`),
    rwbs: rwbs!,
    sector: Number(sector),
  }))
}

async function overrun(instance: string): Promise<number> {
  const cpus = await readdir(join(instance, 'per_cpu'))
  const stats = await Promise.all(
    cpus.map((cpu) => readFile(join(instance, 'per_cpu', cpu, 'stats'), 'utf8')),
  )
  return stats
    .flatMap((text) => [...text.matchAll(/^(?:overrun|commit overrun|dropped events): (\d+)$/gm)])
    .reduce((sum, [, count]) => sum + Number(count), 0)
}
