import type { ClassResult } from '../../src/study/calibration/records.ts'

/** What a disk is known to be like before kvmio measures it. */
export interface Truth {
  /** What it was told to take for each request, seconds. */
  nominal: number
  /** What one request after another took, measured without kvmio and without fio, seconds. */
  alone: number
}

export interface Judgement {
  /** Found over expected, less one. */
  baseLatency: number
  peak: number
  /** What R0 was held against. */
  against: 'nominal' | 'depth 1'
  problems: string[]
}

/** Both must be found within this. */
const LIMIT = 0.05
/** Shorter times are, with all that the kernel adds, another time than nominal on any host. */
const SHORTEST = 0.01
/** fio finds a whole number of operations under way. */
const SEARCH_LIMIT = 0.15

/**
 * Holds what a calibration has found against what is true. X_inf must be that of the nominal time: a full queue hides what
 * the host adds. R0 must be nominal too, unless the disk itself takes longer than that for a lone request.
 */
export function judge({ capacity, search }: ClassResult, { nominal, alone }: Truth): Judgement {
  const isSlower = nominal < SHORTEST || alone > nominal * (1 + LIMIT)
  const against = isSlower ? 'depth 1' : 'nominal'
  const baseLatency = capacity.baseLatency / (isSlower ? alone : nominal) - 1
  const peak = capacity.peak * nominal - 1
  const searched = search ? search.operationsPerSecond / search.expectedPerSecond - 1 : undefined
  const problem = (what: string, off: number | undefined, limit: number) =>
    off === undefined || Math.abs(off) <= limit
      ? []
      : [`${capacity.class}: ${what} is ${percent(off)} off, at most ${percent(limit)}`]
  return {
    baseLatency,
    peak,
    against,
    problems: [
      ...problem(`R0 against ${against}`, baseLatency, LIMIT),
      ...problem('X_inf', peak, LIMIT),
      ...problem("fio's search", searched, SEARCH_LIMIT),
      ...(search ? [] : [`${capacity.class}: there is no search`]),
    ],
  }
}

export function percent(share: number): string {
  return `${share < 0 ? '−' : '+'}${(Math.abs(share) * 100).toFixed(1)} %`
}
