import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { ParseError } from '../../../src/lib/errors.ts'
import { layoutArgs, pointArgs } from '../../../src/storage/calibration/fio-job.ts'
import { parseFioOutput } from '../../../src/storage/calibration/fio-output.ts'
import { missingPrograms } from '../../../src/storage/programs.ts'

const noFio = (await missingPrograms(['fio'])) ?? false

/** A job's output, as fio 3.33 has it, with what a test changes. */
function output(change: Record<string, unknown> = {}): string {
  const none = { io_bytes: 0, iops: 0, lat_ns: { mean: 0 }, clat_ns: {} }
  const write = {
    io_bytes: 1_600_000,
    iops: 97.5,
    lat_ns: { mean: 10_250_000 },
    clat_ns: { percentile: { '50.000000': 10_200_000, '99.000000': 11_000_000 } },
  }
  const job = {
    jobname: 'kvmio',
    error: 0,
    read: none,
    write,
    sync: { total_ios: 0, lat_ns: { mean: 0 } },
    latency_depth: 4,
    steadystate: { attained: 1, data: { iops: [97, 98], bw: [399_000, 401_000] } },
    ...change,
  }
  return JSON.stringify({ 'fio version': 'fio-3.33', jobs: [job] })
}

t.test('what a job came to', async (t) => {
  t.strictSame(parseFioOutput(output()), {
    version: 'fio-3.33',
    bytes: 1_600_000,
    operationsPerSecond: 97.5,
    latency: 0.01025,
    p99: 0.011,
    rates: [399_000, 401_000],
    steady: true,
    depth: 4,
  })
  t.equal(parseFioOutput(`fio: a warning\n${output()}`).bytes, 1_600_000)
  t.match(parseFioOutput(output({ steadystate: undefined })), { rates: [], steady: false })
  const flushed = output({ sync: { lat_ns: { mean: 5_000_000 } } })
  t.equal(parseFioOutput(flushed).latency, 0.01525, 'a write with its flush')
})

const WRITE = { io_bytes: 1, iops: 1, lat_ns: { mean: 1 }, clat_ns: {} }

const BAD: [text: string, message: string | RegExp][] = [
  ['', /^fio: expected JSON: /],
  ['fio: failed', /^fio: expected JSON: /],
  ['{"jobs": ', /^fio: expected JSON: /],
  ['{}', 'fio: expected one job, got none'],
  ['{"jobs": 4}', 'fio: expected one job, got none'],
  ['{"jobs": []}', 'fio: expected one job, got 0'],
  ['{"jobs": [{}, {}]}', 'fio: expected one job, got 2'],
  ['{"jobs": [null]}', 'fio: jobs[0]: expected a mapping, got null'],
  ['{"jobs": [{}]}', 'fio: job.error: expected a number, got nothing'],
  [output({ error: 28 }), 'fio: its job failed with error 28'],
  [output({ write: [] }), 'fio: write: expected a mapping, got []'],
  [output({ read: undefined }), 'fio: read: expected a mapping, got nothing'],
  [output({ write: { ...WRITE, io_bytes: 0 } }), 'fio: nothing was read or written'],
  [output({ read: WRITE }), 'fio: expected reads or writes, got both'],
  [
    output({ write: { ...WRITE, io_bytes: '1k' } }),
    'fio: write.io_bytes: expected a number, got "1k"',
  ],
  [output({ write: { ...WRITE, iops: -1 } }), 'fio: write.iops: expected a number, got -1'],
  [output({ write: { ...WRITE, lat_ns: 4 } }), 'fio: write.lat_ns: expected a mapping, got 4'],
  [
    output({ write: { ...WRITE, lat_ns: {} } }),
    'fio: write.lat_ns.mean: expected a number, got nothing',
  ],
  [
    output({ write: { ...WRITE, clat_ns: { percentile: { '99.000000': '?' } } } }),
    'fio: write.clat_ns.percentile.99.000000: expected a number, got "?"',
  ],
  [output({ sync: [] }), 'fio: sync: expected a mapping, got []'],
  [output({ sync: {} }), 'fio: sync.lat_ns: expected a mapping, got nothing'],
  [output({ steadystate: 1 }), 'fio: steadystate: expected a mapping, got 1'],
  [output({ steadystate: {} }), 'fio: steadystate.data: expected a mapping, got nothing'],
  [
    output({ steadystate: { attained: 1, data: {} } }),
    'fio: steadystate.data.bw: expected a list, got nothing',
  ],
  [
    output({ steadystate: { attained: 1, data: { bw: [1, null] } } }),
    'fio: steadystate.data.bw[1]: expected a number, got null',
  ],
  [
    output({ steadystate: { data: { bw: [] } } }),
    'fio: steadystate.attained: expected a number, got nothing',
  ],
  [output({ latency_depth: '4' }), 'fio: job.latency_depth: expected a number, got "4"'],
]

t.test('what is no output is told', async (t) => {
  for (const [text, message] of BAD) {
    t.throws(() => parseFioOutput(text), { name: 'KvmioError', message }, `${message}`)
  }
})

t.test('any JSON is read or refused in a sentence', async (t) => {
  const property = fc.property(fc.json(), (json) => {
    try {
      parseFioOutput(json)
    } catch (error) {
      if (!/^fio: /.test((error as Error).message) || error instanceof ParseError) throw error
    }
  })
  t.doesNotThrow(() => fc.assert(property))
})

t.test("fio's own", { skip: noFio }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-fio-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const target = { path: join(directory, 'a:b'), bytes: 2 ** 21 }
  const fio = (args: string[]) => execFileSync('fio', args, { encoding: 'utf8', cwd: directory })
  t.equal(parseFioOutput(fio(layoutArgs(target, 2 ** 19, 10))).bytes, target.bytes)
  const timing = { rampSeconds: 0.2, steadySeconds: 2, limitSeconds: 3 }
  const pattern = { rw: 'randwrite', blockBytes: 4096, synced: true } as const
  const found = parseFioOutput(fio(pointArgs(target, pattern, 2, timing)))
  t.match(found.version, /^fio-\d/)
  t.equal(found.rates.length, 2)
  t.ok(found.operationsPerSecond > 0 && found.latency > 0)
})
