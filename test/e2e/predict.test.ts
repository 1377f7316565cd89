import t from 'tap'
import { guestOn, homeFor, kvmio, LOCAL, serve } from './kvmio.ts'

const DEMAND = {
  transactionsPerSecond: { mean: 5, sigma: 10 },
  ...{ memory: '1MiB', space: '1MiB', cpu: '0%' },
}

t.test('a prediction while a kvmio serves, and after it', async (t) => {
  const home = await homeFor(t, {
    tiers: { disk: { ...LOCAL, capacity: { transactionsPerSecond: 100 } } },
    guests: { small: guestOn('disk', { demand: DEMAND }), unknown: guestOn('disk') },
  })
  const ask = (...words: string[]) => kvmio(home, ['density', 'disk', '--predict', ...words]).end()

  const serving = await serve(home)
  const json = await ask('--guest', 'small', '--vms', '5', '--json')
  t.equal(json.stderr, '')
  t.equal(json.code, 0)
  t.match(JSON.parse(json.stdout), {
    running: 5,
    demand: { mean: 0.05, sigma: 0.1, source: 'stated' },
    densities: [
      { method: 'paper', vms: 20, headroom: 15 },
      { method: 'capped', vms: 14 },
      { method: 'sigma', vms: 5, bound: 'io', headroom: 0 },
      { method: 'measured' },
    ],
  })
  t.notMatch(serving.said(), /error/i)
  serving.kill('SIGTERM')
  t.equal((await serving.end()).code, 0)

  const text = await ask('--guest', 'small')
  t.match(text.stdout, /^5 vms of guest small fit on tier disk, bound by I\/O\. /m)
  const unknown = await ask('--guest', 'unknown')
  t.match(unknown.stderr, /^it is not known what a vm of guest unknown asks of tier disk: /)
  t.equal(unknown.code, 1)
})
