import type { Distribution } from '../metrics/family.ts'

// 1-2-5 steps: fine where one slow disk saturates (100 tps), and up to what a fast SSD serves.
const BOUNDS = [
  0, 1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 150, 200, 300, 500, 1_000, 2_000,
  5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
]

/** Counts one-second samples of transactions per second by size. */
export class RateHistogram {
  readonly #bins = new Array<number>(BOUNDS.length).fill(0)
  #count = 0
  #sum = 0

  observe(perSecond: number): void {
    const bin = BOUNDS.findIndex((bound) => perSecond <= bound)
    if (bin >= 0) this.#bins[bin]! += 1
    this.#count += 1
    this.#sum += perSecond
  }

  get distribution(): Distribution {
    let below = 0
    const counts = this.#bins.map((bin) => {
      below += bin
      return below
    })
    return { bounds: BOUNDS, counts, count: this.#count, sum: this.#sum }
  }
}
