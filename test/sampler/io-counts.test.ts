import t from 'tap'
import {
  type IoCounts,
  NO_IO,
  pending,
  plus,
  remainder,
  since,
} from '../../src/sampler/io-counts.ts'

function io(...[readsCompleted, readBytes, writesCompleted, writtenBytes]: number[]): IoCounts {
  return { readsCompleted, readBytes, writesCompleted, writtenBytes } as IoCounts
}

t.test('what has come since, each count for itself', async (t) => {
  t.strictSame(since(io(1, 10, 3, 30), io(2, 15, 3, 30)), io(1, 5, 0, 0))
  t.strictSame(since(io(100, 10, 3, 30), io(2, 15, 3, 40)), io(2, 5, 0, 10), 'from 0 after a fall')
  t.strictSame(since(NO_IO, io(1, 2, 3, 4)), io(1, 2, 3, 4))
})

t.test('sums, and what is left', async (t) => {
  t.strictSame(plus(io(1, 2, 3, 4), io(10, 20, 30, 40)), io(11, 22, 33, 44))
  t.strictSame(remainder(io(5, 5, 5, 5), io(1, 5, 6, 0)), io(4, 0, 0, 5))
})

t.test('what of a surplus may still come', async (t) => {
  const surplus = io(9, 900, 9, 900)
  t.strictSame(pending(surplus, io(4, 400, 20, 2000), 0), io(4, 400, 9, 900))
  t.strictSame(pending(surplus, NO_IO, 3), io(3, 900, 3, 900), 'bytes are lost by no merge')
  t.strictSame(pending(surplus, io(4, 0, 4, 0), 2), io(6, 900, 6, 900))
  t.strictSame(pending(surplus, NO_IO, 0), NO_IO)
})
