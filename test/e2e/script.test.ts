import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import {
  applianceOrLack,
  guestOn,
  type Home,
  homeFor,
  journal,
  kvmio,
  LOCAL,
  nothingLeft,
  serve,
  until,
} from './kvmio.ts'

const { lack } = await applianceOrLack()

const FIO = JSON.stringify({
  jobs: [{ write: { io_bytes: 4096, bw_bytes: 2 ** 20, iops: 256, clat_ns: {} } }],
})
const packed = gzipSync(FIO).toString('base64')
const middle = Math.ceil(packed.length / 2)
const script = (keys: object) => ({
  guest: 'small',
  blocks: 1,
  pause: '0s',
  workload: { script: keys },
})

const GOOD = `kvmio-phase first
echo written >file && [ -b "$KVMIO_DISK" ] && [ "$PWD" = "$KVMIO_DIRECTORY" ]
kvmio-phase second
kvmio-phase 'no name' && exit 1
tell() {
  read -r uptime idle </proc/uptime
  echo "$uptime result fio $*" >/run/kvmio/lines
}
tell 1 2 ${packed.slice(0, middle)}
tell 2 2 ${packed.slice(middle)}
`

const CONFIG = {
  tiers: { local: LOCAL },
  guests: { small: guestOn('local') },
  studies: {
    good: script({ file: 'good.sh' }),
    bad: script({ run: 'echo one\necho "two; three" >&2\nexit 3\n' }),
    late: script({ run: 'echo begun\nsleep 60 &\nsleep 60\n', timeout: '2s' }),
  },
}

t.test('scripts in the appliance', { skip: lack }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const missing = await kvmio(home, ['check']).end()
  t.equal(missing.code, 2)
  t.match(
    missing.stderr,
    `studies.good.workload.script.file: expected a file that can be read, got ${home.directory}/good.sh: no such file`,
  )

  await writeFile(join(home.directory, 'good.sh'), GOOD)
  t.equal((await kvmio(home, ['check']).end()).code, 0)
  const good = await kvmio(home, ['run', 'good']).end(90_000)
  t.equal(good.code, 0, good.stderr)
  t.match(good.stdout, /case +fio +MiB\/s +iops +p99 ms\nonly +write +1.0 +256\n/)
  const [run] = journal(home)
  t.strictSame(run?.vms[0]?.phases, [
    'boot',
    'prepare',
    'script',
    'first',
    'second',
    'shutdown',
    'off',
  ])
  t.same(results(home), [{ name: 'fio', content: FIO }])

  const { code } = await kvmio(home, ['run', 'bad', 'late']).end(120_000)
  t.equal(code, 1)
  const [, bad, late] = journal(home)
  const reason = (text: string | null | undefined) => text?.split('; last console lines')[0]
  t.equal(reason(bad?.reason), 'vm bad-only-1: script: exited with code 3; one; two; three')
  t.equal(reason(late?.reason), 'vm late-only-1: script: did not end in 2 s; begun')
  await nothingLeft(t, home)
})

const HALVES = `${GOOD.slice(GOOD.indexOf('tell() {'), GOOD.indexOf('tell 1 2'))}kvmio-phase first
tell 1 2 ${packed.slice(0, middle)}
kvmio-phase second
sleep 10
tell 2 2 ${packed.slice(middle)}
`

t.test('a result whose halves two kvmios read', { skip: lack }, async (t) => {
  const home = await homeFor(t, {
    ...CONFIG,
    studies: { halves: { ...script({ run: HALVES }), schedule: 'continuous', pause: '1h' } },
  })
  const first = await serve(home)
  await until('the second phase', () => journal(home)[0]?.vms[0]?.phases.includes('second'))
  first.kill('SIGKILL')
  await first.end()
  t.same(results(home), [])

  await serve(home)
  await until('the run to end', () => journal(home)[0]?.outcome ?? undefined)
  const [run] = journal(home)
  t.equal(run?.outcome, 'passed', run?.reason ?? '')
  t.strictSame(run?.vms[0]?.phases, [
    'boot',
    'prepare',
    'script',
    'first',
    'second',
    'shutdown',
    'off',
  ])
  t.same(results(home), [{ name: 'fio', content: FIO }])
})

function results({ state }: Home): unknown[] {
  const db = new DatabaseSync(join(state, 'journal.sqlite'), { readOnly: true })
  try {
    return db.prepare('SELECT name, content FROM results').all()
  } finally {
    db.close()
  }
}
