import { driveProblems } from '../../src/config/drive-rules.ts'
import { AIOS, BUSES, CACHES, type DriveConfig } from '../../src/config/drive-schema.ts'
import { combinations } from '../combinations.ts'

// The smoke matrix: every value of every drive factor on every filesystem, each pair of values that qemu takes at least
// once. The full product would be 25,200 runs.

/** The factors that are paired, each with the options that it sets. */
const FACTORS = {
  bus: Object.fromEntries(BUSES.map((bus) => [bus, { bus }])),
  image: {
    raw: { format: 'raw' },
    'raw-falloc': { format: 'raw', preallocation: 'falloc' },
    'raw-full': { format: 'raw', preallocation: 'full' },
    qcow2: { format: 'qcow2' },
    'qcow2-metadata': { format: 'qcow2', preallocation: 'metadata' },
    'qcow2-falloc': { format: 'qcow2', preallocation: 'falloc' },
    'qcow2-full': { format: 'qcow2', preallocation: 'full' },
    'qcow2-lazy': { format: 'qcow2', lazyRefcounts: true, clusterSize: 2 ** 20 },
    'qcow2-extended': { format: 'qcow2', extendedL2: true },
    'qcow2-backing': { format: 'qcow2', backing: 1 },
    'qcow2-chain': { format: 'qcow2', backing: 3, extendedL2: true },
  },
  cache: Object.fromEntries(CACHES.map((cache) => [cache, { cache }])),
  aio: Object.fromEntries(AIOS.map((aio) => [aio, { aio }])),
  zeros: {
    kept: {},
    discarded: { discard: 'unmap' },
    detected: { detectZeroes: 'on' },
    unmapped: { discard: 'unmap', detectZeroes: 'unmap' },
  },
  service: {
    plain: {},
    iothread: { iothread: true },
    queues: { queues: 2 },
    throttled: { throttle: { iops: 1000, iopsBurst: 2000 } },
  },
} as const satisfies Record<string, Record<string, Partial<DriveConfig>>>

export type Options = Partial<DriveConfig>

export interface MatrixCase {
  /** The words of its factors, the filesystem first. */
  words: Record<string, string>
  filesystem: string
  drive: Options
}

/** As few cases as a greedy search finds in which each good pair of words is there at least once. */
export function pairwise(filesystems: readonly string[]): MatrixCase[] {
  const names = Object.keys(FACTORS) as (keyof typeof FACTORS)[]
  const all = combinations({
    filesystem: filesystems,
    ...Object.fromEntries(names.map((name) => [name, Object.keys(FACTORS[name])])),
  }) as Record<string, string>[]
  const placed = { tier: 'any', size: 2 ** 25 }
  const good = all.filter((words) => driveProblems({ ...placed, ...optionsOf(words) }).length === 0)
  const numbers = new Map<string, number>()
  const numbered = good.map((words) =>
    pairsOf(words).map((pair) => {
      if (!numbers.has(pair)) numbers.set(pair, numbers.size)
      return numbers.get(pair)!
    }),
  )
  const left = new Uint8Array(numbers.size).fill(1)
  const chosen: MatrixCase[] = []
  while (left.includes(1)) {
    const gains = numbered.map((pairs) => pairs.reduce((sum, pair) => sum + left[pair]!, 0))
    const best = gains.indexOf(gains.reduce((most, gain) => Math.max(most, gain), 0))
    for (const pair of numbered[best]!) left[pair] = 0
    const words = good[best]!
    chosen.push({ words, filesystem: words.filesystem!, drive: optionsOf(words) })
  }
  return chosen
}

/** `bus=ide, cache=none` and so on: each two of a case. */
export function pairsOf(words: Readonly<Record<string, string>>): string[] {
  const entries = Object.entries(words).map(([name, word]) => `${name}=${word}`)
  return entries.flatMap((a, index) => entries.slice(index + 1).map((b) => `${a}, ${b}`))
}

function optionsOf(words: Readonly<Record<string, string>>): Options {
  const parts = Object.entries(FACTORS).map(
    ([name, choices]) => (choices as Record<string, Options>)[words[name] ?? ''],
  )
  return Object.assign({ bus: 'virtio-blk', cache: 'none', discard: 'ignore' }, ...parts)
}
