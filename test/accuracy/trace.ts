// The kernel's own trace of a block device, by bpftrace: https://github.com/bpftrace/bpftrace/blob/v0.17.0/docs/reference_guide.md
// Tracepoints: include/trace/events/block.h.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KvmioError } from '../../src/lib/errors.ts'
import { type RunningProcess, startProcess } from '../../src/lib/process.ts'
import { followEnds, mountTracefs } from './tracefs.ts'
import { withoutSteps } from './transactions.ts'

/** What happened to a bio or a request of the device. */
export interface TraceEvent {
  /** Nanoseconds of CLOCK_MONOTONIC, as process.hrtime has it. */
  at: bigint
  kind: TraceKind
  sector: number
  sectors: number
  /** What it does, in the letters of blk_fill_rwbs(): R or W, S synchronous, F flush, M metadata. */
  rwbs: string
  /** The thread group that did it, with the inode of its I/O cgroup: at `bio` the bio's own (bio_associate_blkg). */
  pid: number
  cgroup: number
  comm: string
}

const EVENTS = {
  bio: 'block_bio_queue',
  split: 'block_split',
  backmerge: 'block_bio_backmerge',
  frontmerge: 'block_bio_frontmerge',
  requestmerge: 'block_rq_merge',
  start: 'block_io_start',
} as const

/** `done` is the end of a request, which is nobody's: it happens in whoever's time it is. */
export type TraceKind = keyof typeof EVENTS | 'done'

export interface Trace {
  /** Everything until now; throws when the kernel dropped an event. */
  stop(): Promise<TraceEvent[]>
}

const MINOR_BITS = 20 // include/linux/kdev_t.h
/** Of the perf buffer of a processor: 4 MiB, below RLIMIT_MEMLOCK of Debian. */
const BUFFER_PAGES = 1024

const NOBODY = { kind: 'done', sectors: 0, pid: 0, cgroup: 0, comm: '' } as const

/** Traces one device from when this resolves. */
export async function startTrace(major: number, minor: number, directory: string): Promise<Trace> {
  const unmount = await mountTracefs()
  const program = join(directory, `trace-${major}-${minor}.bt`)
  const device = major * 2 ** MINOR_BITS + minor
  const ends = await followEnds(device)
  await writeFile(program, await programText(device))
  const process = startProcess({
    file: 'bpftrace',
    args: ['-B', 'line', program],
    env: { BPFTRACE_PERF_RB_PAGES: String(BUFFER_PAGES) },
    stopSignal: 'SIGINT',
  })
  const lines: string[] = []
  const read = follow(process, lines)
  await begun(process, lines)
  const end = async (): Promise<TraceEvent[]> => {
    await process.stop()
    await read
    const done = (await ends.stop()).map((end) => ({ ...NOBODY, ...end }))
    await unmount()
    const lost = lines.find((line) => /^Lost \d+ events/.test(line))
    if (lost) throw new KvmioError(`bpftrace: ${lost}: the trace is not whole`)
    // Each processor has a buffer of its own.
    const events = lines.flatMap((line) => parseTraceLine(line) ?? [])
    return withoutSteps([...events, ...done].sort((a, b) => Number(a.at - b.at)))
  }
  let ended: Promise<TraceEvent[]> | undefined
  return {
    stop() {
      ended ??= end()
      return ended
    },
  }
}

/** One line of the program's; undefined for bpftrace's own. */
export function parseTraceLine(line: string): TraceEvent | undefined {
  const [kind, at, sector, sectors, rwbs, pid, cgroup, ...comm] = line.split(' ')
  if (kind === undefined || !Object.hasOwn(EVENTS, kind) || comm.length === 0) return undefined
  return {
    kind: kind as TraceKind,
    at: BigInt(at!),
    sector: Number(sector),
    sectors: Number(sectors),
    rwbs: rwbs!,
    pid: Number(pid),
    cgroup: Number(cgroup),
    comm: comm.join(' '),
  }
}

/** The I/O controller's place among the controllers is its line in /proc/cgroups (kernel/cgroup/cgroup-v1.c). */
async function programText(device: number): Promise<string> {
  const rows = (await readFile('/proc/cgroups', 'utf8')).split('\n').slice(1)
  const io = rows.findIndex((row) => row.startsWith('blkio\t') || row.startsWith('io\t'))
  if (io < 0) throw new KvmioError('/proc/cgroups: expected the controller blkio, found none')
  const probes = Object.entries(EVENTS).map(([kind, event]) => {
    const sectors = kind === 'split' ? 'args->new_sector - args->sector' : 'args->nr_sector'
    return `tracepoint:block:${event} /args->dev == ${device}/ {
  $task = (struct task_struct *)curtask;
  printf("${kind} %llu %llu %llu %s %d %llu %s\\n", nsecs, args->sector, ${sectors}, args->rwbs, pid,
    $task->cgroups->subsys[${io}]->cgroup->kn->id, comm);
}`
  })
  return [`BEGIN { printf("begun\\n"); }`, ...probes, ''].join('\n')
}

async function follow(process: RunningProcess, lines: string[]): Promise<void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of process.stdout) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = parts.pop()!
    lines.push(...parts)
  }
}

/** bpftrace compiles for some seconds, and begins when all is attached. */
async function begun(process: RunningProcess, lines: readonly string[]): Promise<void> {
  let ended = false
  process.done.then(
    () => (ended = true),
    () => (ended = true),
  )
  while (!lines.includes('begun')) {
    if (ended) await process.done
    if (ended) throw new KvmioError(`bpftrace ended before it began: ${lines.join('; ')}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
