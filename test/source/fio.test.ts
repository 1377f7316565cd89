import { execFileSync } from 'node:child_process'
import t from 'tap'
import { fioSummary } from '../../src/guest/fio-summary.ts'
import { parseFio } from '../../src/source/fio.ts'
import { missingPrograms } from '../../src/storage/programs.ts'

const noFio = (await missingPrograms(['fio'])) ?? false

/** An output with what is read of it. */
function output(...jobs: { read?: number; write?: number; p99?: number }[]): string {
  const direction = (bytes: number, p99?: number) => ({
    io_bytes: bytes,
    bw_bytes: bytes / 2,
    iops: bytes / 4096,
    clat_ns: p99 === undefined ? {} : { percentile: { '50.000000': 1, '99.000000': p99 * 1e9 } },
  })
  return JSON.stringify({
    jobs: jobs.map(({ read = 0, write = 0, p99 }) => ({
      read: direction(read, p99),
      write: direction(write, p99),
    })),
  })
}

t.test('jobs that run at once add up; the slowest latency counts', async (t) => {
  const two = output({ read: 8192, p99: 0.25 }, { read: 4096, p99: 0.5 })
  t.strictSame(parseFio(two), {
    read: { bytesPerSecond: 6144, operationsPerSecond: 3, p99: 0.5 },
    write: undefined,
  })
  t.strictSame(parseFio(output({ write: 4096 })), {
    read: undefined,
    write: { bytesPerSecond: 2048, operationsPerSecond: 1 },
  })
  t.strictSame(parseFio(output()), { read: undefined, write: undefined })
})

t.test('warnings before it are passed over; what is no output is told', async (t) => {
  t.equal(parseFio(`fio: some warning\n${output({ read: 4096 })}`).read?.operationsPerSecond, 1)
  t.throws(() => parseFio('fio: failed'), { message: /^fio: expected JSON: / })
  t.throws(() => parseFio('{"jobs": [{"read": {"io_bytes": 1, "bw_bytes": "1k"}}]}'), {
    message: 'fio: read.bw_bytes: expected a number, got "1k"',
  })
  t.throws(() => parseFio('{"jobs": [{"write": {"io_kbytes": 1}}]}'), {
    message: 'fio: write.io_bytes: expected a number, got nothing',
  })
  t.throws(() => parseFio('{}'), { message: 'fio: expected a list of jobs, got none' })
})

t.test('a guest may say anything', async (t) => {
  const none = { read: undefined, write: undefined }
  for (const jobs of ['[null]', '[4, "x"]', '[{"write": null}]', '[{"write": []}]'])
    t.strictSame(parseFio(`{"jobs": ${jobs}}`), none, jobs)
  const bad: [write: string, message: string][] = [
    ['{"io_bytes": "1"}', 'fio: write.io_bytes: expected a number, got "1"'],
    ['{"io_bytes": 1, "bw_bytes": 2, "iops": {}}', 'fio: write.iops: expected a number, got {}'],
    ['{"io_bytes": 1, "bw_bytes": -1}', 'fio: write.bw_bytes: expected a number, got -1'],
    [
      '{"io_bytes": 1, "bw_bytes": 2, "iops": 3, "clat_ns": {"percentile": {"99.000000": "x"}}}',
      'fio: write.99.000000: expected a number, got "x"',
    ],
  ]
  for (const [write, message] of bad)
    t.throws(() => parseFio(`{"jobs": [{"write": ${write}}]}`), { name: 'KvmioError', message })
})

t.test('several vms: the means of one, and the slowest', async (t) => {
  const outputs = [output({ write: 8192, p99: 0.1 }), output({ write: 4096, p99: 0.3 })]
  t.strictSame(fioSummary(outputs), {
    write: { bytesPerSecond: 3072, operationsPerSecond: 1.5, p99: 0.3 },
  })
  t.equal(fioSummary([]), undefined)
})

t.test("this host's fio", { skip: noFio }, async (t) => {
  const file = `${t.testdir()}/data`
  const args = ['--name=a', '--rw=randrw', '--size=1m', '--bs=4k', `--filename=${file}`]
  const text = execFileSync('fio', [...args, '--output-format=json'], { encoding: 'utf8' })
  const { read, write } = parseFio(text)
  for (const figures of [read, write]) {
    t.ok(figures && figures.operationsPerSecond > 0 && figures.bytesPerSecond > 0)
    t.ok(figures?.p99 && figures.p99 < 10, `${figures?.p99} s`)
  }
})
