import t from 'tap'
import { allRamps } from '../../src/journal/ramps.ts'
import { openReader } from '../../src/journal/reader.ts'
import type { RampSummary } from '../../src/study/ramp/event.ts'
import {
  applianceOrLack,
  cannotEmulate,
  guestOn,
  homeFor,
  kvmio,
  nothingLeft,
  processes,
  SLOW,
  says,
  until,
} from './kvmio.ts'

// A guest under TCG on a host with other work is slow, and its processors busy: neither is to decide here.
const CONFIG = {
  tiers: { slow: { ...SLOW, capacity: { transactionsPerSecond: 180 } } },
  guests: { small: guestOn('slow', {}, { preallocation: 'full', size: '32MiB' }) },
  density: { cpuCap: '100%' },
}
const FLAGS = ['--target', '30s', '--hold', '2s', '--settle', '1s', '--max', '2', '--json']

const PATIENCE_MS = 240_000

const skip = (await applianceOrLack()).lack || (await cannotEmulate())

t.test('a ramp whose guest is killed in its first step', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const ramp = kvmio(home, ['density', 'slow', ...FLAGS, '--repetitions', '1', '--seed', '1'])
  await says(ramp, '[1/1, rising] 1 vm', PATIENCE_MS)
  t.match(withReader(home.state), [{ steps: [], prediction: { learned: { vms: 2 } } }])
  const qemu = await until('the qemu of the first step', async () => {
    return (await processes(`${home.state}/vms/ramp-slow-small-1/qmp.sock`))[0]
  })
  process.kill(qemu.pid, 'SIGKILL')
  const { code, stdout, stderr } = await ramp.end(PATIENCE_MS)
  t.equal(code, 0, stderr)

  const summary: RampSummary = JSON.parse(stdout)
  t.match(summary, { tier: 'slow', guest: 'small', measured: 2, bound: 'max', target: 30 })
  t.strictSame(
    summary.steps.map(({ vms, verdict }) => [vms, verdict]),
    [
      [1, 'void'],
      [1, 'met'],
      [2, 'met'],
    ],
  )
  t.match(summary.steps[0]?.figures.reason, /^vm ramp-slow-small-1: /)
  const { learned, densities } = summary
  t.match(
    densities.map(({ method }) => method),
    ['paper', 'capped', 'sigma'],
  )
  const { figures } = summary.steps[2]!
  t.strictSame(
    figures.vms?.map(({ vm }) => vm),
    ['ramp-slow-small-1', 'ramp-slow-small-2'],
  )
  t.match(figures.device, { device: /^loop/, queue: Number })
  t.ok((figures.seconds ?? 0) >= 1, `held ${figures.seconds} s`)
  t.ok((figures.memory ?? 0) > 2 ** 20)
  const writes = [learned, ...summary.steps.map((step) => step.figures)].map(
    ({ operations }) => operations?.writes ?? 0,
  )
  t.ok(writes.reduce((sum, count) => sum + count, 0) > 0, `they wrote: ${writes}`)

  const [row] = withReader(home.state)
  t.match(row, { id: summary.ramp, measured: 2, bound: 'max', steps: summary.steps })
  t.ok((row?.startedAt ?? 0) < (row?.steps[0]?.endedAt ?? 0), 'predicted before the first step')
  await nothingLeft(t, home)
})

t.test('without memory for one vm', { skip }, async (t) => {
  const home = await homeFor(t, { ...CONFIG, density: { memoryReserve: '1TiB' } })
  const { code, stdout, stderr } = await kvmio(home, ['density', 'slow', ...FLAGS]).end()
  t.equal(code, 0, stderr)
  const bound = { measured: 0, bound: 'memory' }
  t.match(JSON.parse(stdout), { ...bound, learned: { vms: 0 }, steps: [] })
  t.match(withReader(home.state), [bound])
})

function withReader(state: string) {
  using journal = openReader(`${state}/journal.sqlite`)
  return allRamps(journal)
}
