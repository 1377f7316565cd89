import t from 'tap'
import type { TraceEvent } from './trace.ts'
import { parseTraceLine } from './trace.ts'
import { parseEnds } from './tracefs.ts'
import { between, ended, meanInFlight, submittedBy, withoutSteps } from './transactions.ts'

// bpftrace's lines of two vms (cgroups 71 and 72) and a journal, as the suite's program prints them.
const LINES = `Attaching 8 probes...
begun
bio 100 0 2080 WS 500 71 worker
split 200 0 1048 WS 500 71 worker
start 300 0 1048 WS 500 71 worker
start 400 1048 1032 WS 500 71 worker
bio 500 8192 8 RS 501 72 worker
start 500 8192 8 RS 501 72 worker
bio 600 0 0 FWS 501 72 worker
start 600 0 0 FWS 501 72 worker
bio 700 9000 8 WSM 90 1 jbd2/loop0-8
bio 710 9008 8 WSM 90 1 jbd2/loop0-8
backmerge 720 9008 8 WSM 90 1 jbd2/loop0-8
start 730 9000 8 WSM 90 1 jbd2/loop0-8
bio 740 9016 8 FWFSM 90 1 kworker/u8:2
start 740 9016 8 FWFSM 90 1 kworker/u8:2`

// As the ring buffer of tracefs prints them: to the microsecond, so all is a thousand times later than above.
const ENDS = `# tracer: nop
     ksoftirqd/1-22      [001] ..s1.     0.001000: block_io_done: 7,0 WS 0 () 0 + 0 none,0,0 [ksoftirqd/1]
          <idle>-0       [000] d.s2.     0.001000: block_io_done: 7,0 WS 0 () 1048 + 0 none,0,0 [swapper/0]
     ksoftirqd/1-22      [001] ..s1.     0.001001: block_io_done: 7,0 RS 0 () 8192 + 0 none,0,0 [ksoftirqd/1]
     ksoftirqd/1-22      [001] ..s1.     0.001002: block_io_done: 7,0 FF 0 () 0 + 0 none,0,0 [ksoftirqd/1]
     ksoftirqd/1-22      [001] ..s1.     0.001003: block_io_done: 7,0 WS 0 () 0 + 0 none,0,0 [ksoftirqd/1]
     ksoftirqd/1-22      [001] ..s1.     0.001003: block_io_done: 7,0 WSM 0 () 9000 + 0 none,0,0 [ksoftirqd/1]
     ksoftirqd/1-22      [001] ..s1.     0.001004: block_io_done: 7,0 WSM 0 () 9016 + 0 none,0,0 [ksoftirqd/1]
     ksoftirqd/1-22      [001] ..s1.     0.001006: block_io_done: 7,0 WSM 0 () 9016 + 0 none,0,0 [ksoftirqd/1]
`

const begun = LINES.split('\n').flatMap((line) => parseTraceLine(line) ?? [])
const ends: TraceEvent[] = parseEnds(ENDS).map((end) => ({
  ...{ kind: 'done', sectors: 0, pid: 0, cgroup: 0, comm: '' },
  ...end,
}))
const trace = withoutSteps([...begun, ...ends])

t.test('what each cgroup submitted: bios, pieces, merges, flushes', async (t) => {
  t.equal(begun.length, 14, "bpftrace's own lines are none")
  const by = submittedBy(trace, ({ cgroup }) => cgroup)
  t.match(by.get(71), {
    bios: { reads: 0, writes: 1, writtenBytes: 2080 * 512 },
    splits: 1,
    merges: 0,
    requests: 2,
  })
  t.match(by.get(72), {
    bios: { reads: 1, readBytes: 4096, writes: 1, writtenBytes: 0 },
    emptyFlushes: 1,
    requests: 2,
  })
  t.match(by.get(1), { bios: { writes: 3, writtenBytes: 3 * 4096 }, merges: 1, requests: 2 })
  t.strictSame([...(by.get(1)?.names ?? [])], ['jbd2/loop0-8', 'kworker/u8:2'])
  t.equal(by.has(0), false, 'an end is nobody’s')
})

t.test('what the device ended: a write that flushes ends once', async (t) => {
  t.strictSame(ended(trace), { reads: 1, writes: 5, flushes: 1 })
  t.strictSame(ended(between(trace, 0n, 1_001_000n)), { reads: 0, writes: 2, flushes: 0 })
})

t.test('the mean number in flight', async (t) => {
  const at = (kind: TraceEvent['kind'], at: bigint, rwbs = 'R'): TraceEvent => ({
    ...{ kind, at, rwbs, sector: 0, sectors: 8, pid: 1, cgroup: 1, comm: 'worker' },
  })
  const two = [
    at('start', 0n),
    at('start', 50n),
    at('bio', 60n),
    at('done', 70n, 'FF'),
    at('done', 100n),
    at('done', 150n),
  ]
  t.equal(meanInFlight(two, 0n, 200n), (100 + 100) / 200)
  t.equal(meanInFlight(two, 50n, 100n), 2, 'what began before counts')
  t.equal(meanInFlight(two, 120n, 140n), 1)
  t.equal(meanInFlight(two, 160n, 200n), 0)
})
