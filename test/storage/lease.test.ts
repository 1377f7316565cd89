import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import t from 'tap'
import { Leases } from '../../src/storage/lease.ts'

t.test('a tier has one holder, and the next in the order of asking', async (t) => {
  const leases = new Leases()
  const order: string[] = []
  const hold = async (holder: string, tiers: string[]) => {
    using _ = await leases.acquire(tiers, holder)
    order.push(holder)
    await turn()
  }
  const first = hold('study buses', ['b', 'a'])
  await turn()
  t.equal(leases.holderOf('a'), 'study buses')
  t.equal(leases.holderOf('c'), undefined)
  await Promise.all([first, hold('calibration', ['a']), hold('ramp', ['a', 'b'])])
  t.strictSame(order, ['study buses', 'calibration', 'ramp'])
  t.equal(leases.holderOf('a'), undefined)
})

t.test('another tier is not waited for', async (t) => {
  const leases = new Leases()
  using _ = await leases.acquire(['a'], 'one')
  using __ = await leases.acquire(['b'], 'two')
  t.strictSame([leases.holderOf('a'), leases.holderOf('b')], ['one', 'two'])
})

t.test('a signal ends the waiting and leaves nothing held', async (t) => {
  const leases = new Leases()
  const first = await leases.acquire(['b'], 'one')
  const abort = new AbortController()
  const second = leases.acquire(['a', 'b'], 'two', abort.signal)
  await turn()
  t.equal(leases.holderOf('a'), 'two')
  abort.abort(new Error('interrupted'))
  await t.rejects(second, { message: 'interrupted' })
  t.equal(leases.holderOf('a'), undefined)
  first[Symbol.dispose]()
  t.equal(leases.holderOf('b'), undefined)
  await t.rejects(leases.acquire(['b'], 'two', abort.signal), { message: 'interrupted' })
})

t.test('a signal in the moment of the grant leaves nothing held', async (t) => {
  const leases = new Leases()
  const first = await leases.acquire(['a'], 'one')
  const abort = new AbortController()
  const second = leases.acquire(['a'], 'two', abort.signal)
  await turn()
  first[Symbol.dispose]()
  abort.abort(new Error('interrupted'))
  await t.rejects(second, { message: 'interrupted' })
  t.equal(leases.holderOf('a'), undefined)
})

t.test('disposing twice does not take the lease from the next', async (t) => {
  const leases = new Leases()
  const first = await leases.acquire(['a'], 'one')
  const second = leases.acquire(['a'], 'two')
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  using _ = await second
  t.equal(leases.holderOf('a'), 'two')
})

t.test('no deadlock and no two holders, whoever asks for what', async () => {
  const tiers = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1 })
  await fc.assert(
    fc.asyncProperty(fc.array(tiers, { maxLength: 12 }), async (wishes) => {
      const leases = new Leases()
      const busy = new Set<string>()
      await Promise.all(
        wishes.map(async (wish, index) => {
          using _ = await leases.acquire(wish, String(index))
          for (const tier of wish) if (busy.has(tier)) throw new Error(`two hold ${tier}`)
          for (const tier of wish) busy.add(tier)
          await turn()
          for (const tier of wish) busy.delete(tier)
        }),
      )
    }),
    { numRuns: 50 },
  )
})
