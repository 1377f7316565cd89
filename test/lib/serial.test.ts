import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Serial } from '../../src/lib/serial.ts'

t.test('one after another, however long each takes', async (t) => {
  const serial = new Serial()
  const order: number[] = []
  const work = [20, 5, 0].map((ms, index) =>
    serial.run(async () => {
      await sleep(ms)
      order.push(index)
      return index
    }),
  )
  t.strictSame(await Promise.all(work), [0, 1, 2])
  t.strictSame(order, [0, 1, 2])
})

t.test('one that fails is told of and does not stop the next', async (t) => {
  const serial = new Serial()
  const failed = serial.run(() => Promise.reject(new Error('no')))
  const next = serial.run(async () => 'done')
  await t.rejects(failed, { message: 'no' })
  t.equal(await next, 'done')
})
