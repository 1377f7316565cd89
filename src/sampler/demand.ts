/** Sums from which Prometheus has the mean, the variance and, of a sum over vms, the correlation of one-second samples. */
export interface Moments {
  samples: number
  /** Device-seconds per second, summed over samples. */
  seconds: number
  squaredSeconds: number
}

export function addSample(moments: Moments | undefined, seconds: number): Moments {
  const {
    samples,
    seconds: sum,
    squaredSeconds,
  } = moments ?? { samples: 0, seconds: 0, squaredSeconds: 0 }
  return {
    samples: samples + 1,
    seconds: sum + seconds,
    squaredSeconds: squaredSeconds + seconds ** 2,
  }
}
