import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { HangGuard } from '../../src/lib/hang-guard.ts'

/** Work that ends when the test says so, and how often it was begun. */
function work() {
  const result = Promise.withResolvers<string>()
  const begun = { count: 0 }
  const run = () => {
    begun.count++
    return result.promise
  }
  return { ...result, begun, run }
}

t.test('what answers is handed on, as is what fails', async (t) => {
  const guard = new HangGuard(2)
  t.equal(await guard.run('a', 1_000, async () => 7), 7)
  const failing = guard.run('a', 1_000, async () => {
    throw new Error('gone')
  })
  await t.rejects(failing, { message: 'gone' })
  t.strictSame(guard.underWay, [])
})

t.test('what hangs is asked once, and is late at once from then on', async (t) => {
  const clock = { now: 0 }
  const guard = new HangGuard(2, () => clock.now)
  const { run, begun, resolve } = work()
  const first = guard.run('/mnt/dead', 20, run)
  clock.now = 20
  await t.rejects(first, {
    name: 'DeadlineError',
    message: '/mnt/dead has not answered in 0.02 s',
  })
  clock.now = 3_600_000
  await t.rejects(guard.run('/mnt/dead', 20, run), {
    message: '/mnt/dead has not answered in 3600 s',
  })
  t.equal(begun.count, 1)
  t.strictSame(guard.underWay, ['/mnt/dead'])
  t.strictSame(guard.hanging(20), ['/mnt/dead'])
  t.strictSame(guard.hanging(3_600_001), [], 'not for so long')
  resolve('alive')
  await sleep(0)
  t.strictSame(guard.underWay, [])
  t.equal(await guard.run('/mnt/dead', 20, async () => 'alive again'), 'alive again')
})

t.test('who asks for the same at the same time shares the answer', async (t) => {
  const guard = new HangGuard(2)
  const { run, begun, resolve } = work()
  const both = [guard.run('a', 1_000, run), guard.run('a', 1_000, run)]
  resolve('one')
  t.strictSame(await Promise.all(both), ['one', 'one'])
  t.equal(begun.count, 1)
})

t.test(
  'no more hang than threads can be spared; the others wait, and go on when one ends',
  async (t) => {
    const guard = new HangGuard(2)
    const hanging = [work(), work()]
    const given = hanging.map(({ run }, index) => guard.run(`dead ${index}`, 10, run))
    for (const one of given) await t.rejects(one)
    const third = work()
    await t.rejects(guard.run('third', 10, third.run), /^third has not answered/)
    t.equal(third.begun.count, 0, 'it was not even begun')
    const fourth = guard.run('fourth', Number.POSITIVE_INFINITY, async () => 'read')
    hanging[0]!.resolve('alive')
    t.equal(await fourth, 'read')
    t.strictSame(guard.underWay, ['dead 1'])
  },
)
