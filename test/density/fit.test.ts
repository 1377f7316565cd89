import fc from 'fast-check'
import t from 'tap'
import {
  capacityAt,
  depthAt,
  fitLine,
  latencyAt,
  latencyOf,
  type Point,
} from '../../src/density/fit.ts'

/** What a closed loop on the line has at these depths. */
function onLine(baseLatency: number, peak: number, depths: readonly number[]): Point[] {
  return depths.map((depth) => ({
    depth,
    operationsPerSecond: depth / (baseLatency + (depth - 1) / peak),
  }))
}

function near(found: number, expected: number, share = 1e-6): boolean {
  return Math.abs(found / expected - 1) <= share
}

const positive = (min: number, max: number) =>
  fc.double({ min, max, noNaN: true, noDefaultInfinity: true })
const depths = fc.uniqueArray(fc.integer({ min: 1, max: 128 }), { minLength: 2, maxLength: 8 })

t.test('a disk that serves one at a time: R(1) is R0, and the peak its inverse', async (t) => {
  const points = [1, 4, 16].map((depth) => ({ depth, operationsPerSecond: 100 }))
  const line = fitLine(points)!
  t.ok(near(line.baseLatency, 0.01))
  t.ok(near(line.peak, 100))
  t.ok(line.residual < 1e-9)
  t.ok(near(capacityAt(line, 0.05), 80), "science's example: 10 ms, 100/s, target 50 ms")
  t.ok(near(capacityAt(line, 0.02), 50))
  t.equal(capacityAt(line, 0.01), 0)
  t.equal(capacityAt(line, 0.004), 0, 'never below nothing')
})

t.test('the line that points lie on is found, whatever it is', async () => {
  fc.assert(
    fc.property(positive(1e-5, 1), positive(1, 1e6), depths, (baseLatency, peak, at) => {
      const line = fitLine(onLine(baseLatency, peak, at))!
      // What a line of 1 s base has at its end shows nothing of a slope that is far below.
      fc.pre(1 / peak > baseLatency * 1e-6)
      const isFound = at.every((depth) =>
        near(latencyAt(line, depth), latencyAt({ baseLatency, peak }, depth), 1e-5),
      )
      return isFound && line.residual < 1e-5
    }),
  )
})

t.test('the unit of time changes nothing but the unit', async () => {
  const rate = positive(1, 1000)
  fc.assert(
    fc.property(fc.array(rate, { minLength: 3, maxLength: 6 }), (rates) => {
      const points = rates.map((operationsPerSecond, index) => ({
        depth: 2 ** index,
        operationsPerSecond,
      }))
      const faster = points.map((point) => ({
        ...point,
        operationsPerSecond: point.operationsPerSecond * 1000,
      }))
      const [line, other] = [fitLine(points)!, fitLine(faster)!]
      return near(line.peak * 1000, other.peak, 1e-4) && near(line.residual + 1, other.residual + 1)
    }),
  )
})

t.test(
  'whatever is measured, R0 and the peak are above 0, and the residual is the largest',
  async () => {
    fc.assert(
      fc.property(
        depths,
        fc.array(positive(0.1, 1e6), { minLength: 8, maxLength: 8 }),
        (at, rates) => {
          const points = at.map((depth, index) => ({ depth, operationsPerSecond: rates[index]! }))
          const line = fitLine(points)!
          const isPositive = line.baseLatency > 0 && line.peak > 0 && Number.isFinite(line.peak)
          const largest = Math.max(
            ...points.map((point) => Math.abs(1 - latencyAt(line, point.depth) / latencyOf(point))),
          )
          const isFlat = line.peak === Math.max(...points.map((point) => point.operationsPerSecond))
          return isPositive && (isFlat || near(1 + largest, 1 + line.residual, 1e-6))
        },
      ),
    )
  },
)

t.test('a larger target never means less, and never more than the peak', async () => {
  fc.assert(
    fc.property(
      positive(1e-5, 1),
      positive(1, 1e5),
      positive(1e-5, 10),
      positive(1, 10),
      (baseLatency, peak, target, times) => {
        const line = { baseLatency, peak }
        const [less, more] = [capacityAt(line, target), capacityAt(line, target * times)]
        return 0 <= less && less <= more && more <= peak
      },
    ),
  )
})

t.test('the depth that keeps a latency has that latency', async () => {
  fc.assert(
    fc.property(
      positive(1e-5, 1),
      positive(1, 1e5),
      positive(1, 50),
      (baseLatency, peak, times) => {
        const line = { baseLatency, peak }
        const latency = baseLatency * times
        return near(latencyAt(line, depthAt(line, latency)), latency, 1e-6)
      },
    ),
  )
  t.equal(depthAt({ baseLatency: 0.01, peak: 100 }, 0.001), 1, 'there is none below one')
})

t.test('a latency that does not grow: the peak is the highest rate', async (t) => {
  const flat = fitLine([1, 2, 4].map((depth) => ({ depth, operationsPerSecond: depth * 100 })))!
  t.ok(near(flat.baseLatency, 0.01))
  t.equal(flat.peak, 400)
})

t.test('a line that would begin below 0 is drawn from the lowest depth', async (t) => {
  const latencies: [depth: number, seconds: number][] = [
    [1, 0.001],
    [2, 0.001],
    [4, 0.02],
    [8, 0.1],
  ]
  const line = fitLine(
    latencies.map(([depth, seconds]) => ({ depth, operationsPerSecond: depth / seconds })),
  )!
  t.ok(line.baseLatency > 0 && line.baseLatency <= 0.001, `${line.baseLatency}`)
  t.ok(line.residual > 0.2, 'and its residual says that it is none')
})

t.test('one depth is no line', async (t) => {
  t.equal(fitLine([]), undefined)
  t.equal(fitLine([{ depth: 4, operationsPerSecond: 1 }]), undefined)
  const twice = [1, 1].map((depth) => ({ depth, operationsPerSecond: 100 }))
  t.equal(fitLine(twice), undefined)
})
