import t from 'tap'
import { arithmeticOf } from '../../../src/study/report/arithmetic.ts'
import { layersOf } from '../../../src/study/report/layers.ts'
import { constructedCase, constructedRun } from './constructed-study.ts'

const CASES = [constructedCase('a')]

t.test('the paper: 2 GiB in 750 transactions of at most 512 KiB cannot be', async (t) => {
  const bytes = 2 * 2 ** 30
  const paper = constructedRun(1, 'a', 1, 142, {
    seconds: 150,
    layers: {
      guest: { reads: 0, writes: 4096, writtenBytes: bytes },
      device: { reads: 0, writes: 750, writtenBytes: bytes, readBytes: 0 },
    },
  })
  const [sum] = arithmeticOf(CASES, [paper])
  t.match(sum, { transactionsPerSecond: 5, contains: true, conserved: true })
  t.equal(Math.round(sum!.bytesPerTransaction), 2_863_312)
  t.equal(sum!.leastTransactionsPerSecond.toFixed(2), '3.41', '512 requests of 4 MiB in 150 s')
  // What really reached the disk must have been less.
  paper.layers.device = { reads: 0, writes: 300, writtenBytes: bytes, readBytes: 0 }
  t.match(arithmeticOf(CASES, [paper]), [{ transactionsPerSecond: 2, contains: false }])
  paper.layers.device = { reads: 0, writes: 300, writtenBytes: bytes / 4, readBytes: 0 }
  t.match(arithmeticOf(CASES, [paper]), [{ contains: true, conserved: false }])
})

t.test('what was not counted is not said', async (t) => {
  const run = constructedRun(1, 'a', 1, 10, { layers: { device: { writes: 5 } } })
  t.strictSame(arithmeticOf(CASES, [run]), [], 'reads are unknown, and so are transactions')
  const alone = constructedRun(1, 'a', 1, 10, {
    layers: { device: { reads: 1, writes: 5, writtenBytes: 4096, readBytes: 0 } },
  })
  t.notOk('conserved' in arithmeticOf(CASES, [alone])[0]!)
  t.notOk('deviceOperationsPerGuestOperation' in layersOf(CASES, [alone])[0]!)
})

t.test('layers are medians, and the device is held against the guest run by run', async (t) => {
  const run = (id: number, guest: number, device: number) =>
    constructedRun(id, 'a', id, 10, {
      layers: {
        guest: { reads: 0, writes: guest, writtenBytes: 1, readBytes: 1 },
        device: { reads: 0, writes: device, writtenBytes: 1, readBytes: 1 },
      },
    })
  t.strictSame(layersOf(CASES, [run(1, 100, 100), run(2, 100, 300), run(3, 400, 400)]), [
    {
      case: 'a',
      operations: { guest: 100, device: 300 },
      bytes: { guest: 2, device: 2 },
      deviceOperationsPerGuestOperation: 1,
    },
  ])
})
