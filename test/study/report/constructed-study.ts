import { mulberry32 } from '../../../src/lib/random.ts'
import type {
  CaseFacts,
  LayerCounts,
  RunResult,
  Sample,
  StudyResults,
  Traits,
} from '../../../src/study/report/record.ts'

// Studies that no host has run: their medians and ratios are known because they were put in.

const TRAITS: Traits = {
  bus: 'virtio-blk',
  format: 'qcow2',
  preallocation: 'off',
  cache: 'none',
  filesystem: 'ext4',
  volume: false,
  hostCache: 'warm',
}

export function constructedCase(
  name: string,
  traits: Partial<Traits> = {},
  rest: Partial<CaseFacts> = {},
): CaseFacts {
  const factors = Object.fromEntries(
    Object.entries(traits).map(([key, value]) => [key, `${value}`]),
  )
  return {
    name,
    factors,
    traits: { ...TRAITS, ...traits },
    tier: 'disk',
    accelerator: 'kvm',
    ...rest,
  }
}

const MANIFEST = {
  kvmio: '0.1.0',
  qemu: '7.2.22',
  kernel: '6.1.0',
  host: 'desk',
  processor: 'A processor',
  cpus: 4,
  memoryBytes: 8 * 2 ** 30,
  dirty: { dirty_ratio: '20' },
}

/** A run whose write phase takes that long, and what comes with it. */
export function constructedRun(
  id: number,
  of: string,
  block: number,
  loadSeconds: number,
  rest: Partial<RunResult> = {},
): RunResult {
  const written = 16 * 2 ** 20
  const layer = (operations: number, bytes: number): LayerCounts => ({
    reads: operations / 4,
    writes: operations,
    readBytes: 2 ** 20,
    writtenBytes: bytes,
  })
  return {
    id,
    case: of,
    block,
    outcome: 'passed',
    remarks: [],
    startedAt: 1_700_000_000 + id * 100,
    seconds: loadSeconds + 8,
    vms: 1,
    phases: [
      { name: 'boot', seconds: 2 },
      { name: 'write', seconds: loadSeconds },
      { name: 'settle', seconds: 4 },
      { name: 'shutdown', seconds: 1 },
    ],
    layers: {
      guest: layer(256, written),
      qemu: layer(280, written),
      process: { readBytes: 2 ** 20, writtenBytes: written },
      device: layer(400, written + 2 ** 20),
    },
    samples: constructedSamples(loadSeconds),
    manifest: MANIFEST,
    ...rest,
  }
}

function constructedSamples(loadSeconds: number): Sample[] {
  const end = Math.round(loadSeconds + 8)
  return Array.from({ length: end }, (_, index) => {
    const second = index + 1
    if (second <= 2) return { second, device: 12, vms: 10, phase: 'boot' }
    if (second <= 2 + loadSeconds)
      return { second, device: 420 / loadSeconds, vms: 280 / loadSeconds, phase: 'write' }
    return { second, device: 1, vms: 0, phase: second < end ? 'settle' : 'shutdown' }
  })
}

/** Runs in random order within blocks; `loadSeconds` gives each case's time in a block. */
export function constructedStudy(
  name: string,
  cases: readonly CaseFacts[],
  blocks: number,
  loadSeconds: (name: string, block: number) => number,
): StudyResults {
  let id = 0
  const runs = Array.from({ length: blocks }, (_, index) =>
    cases.map((each) => {
      id++
      return constructedRun(id, each.name, index + 1, loadSeconds(each.name, index + 1))
    }),
  ).flat()
  return { name, seed: 7, cases: [...cases], skipped: [], runs }
}

/** Values around 1 that differ by at most that share. */
export function noise(seed: number, share: number): () => number {
  const random = mulberry32(seed)
  return () => 1 + (random() * 2 - 1) * share
}
