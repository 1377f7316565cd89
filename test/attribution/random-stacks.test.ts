// Stacks that nobody has built by hand: what a sum over leaves counts of them.
import { equal, ok } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { stackDevices } from '../../src/attribution/topology.ts'
import type { Mount } from '../../src/source/mounts.ts'
import type { BlockDevice } from '../../src/source/sysfs.ts'

/** How a device hands a transaction on: to one of those under it, or to each (RAID 1). */
interface Layer {
  device: BlockDevice
  /** Indexes of the layers under it. */
  under: number[]
  mirrors: boolean
}

type Step = { kind: 'disk' | 'partition' | 'linear' | 'raid1' | 'loop'; picks: number[] }

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('disk', 'partition', 'linear', 'raid1', 'loop'),
  picks: fc.array(fc.nat(), { minLength: 1, maxLength: 4 }),
})

/** A host as sysfs shows it; a loop device says no more than its file, which lies on a mount of what it stands on. */
function build(steps: readonly Step[]): { layers: Layer[]; mounts: Mount[] } {
  const layers: Layer[] = []
  const mounts: Mount[] = []
  for (const [index, { kind, picks }] of steps.entries()) {
    const all = index === 0 ? [] : [...new Set(picks.map((pick) => pick % index))]
    const under = kind === 'disk' ? [] : kind === 'raid1' ? all : all.slice(0, 1)
    const device: BlockDevice = {
      name: `d${index}`,
      major: 8,
      minor: index,
      kind: kind === 'loop' || kind === 'partition' ? kind : under.length > 0 ? 'dm' : 'disk',
      parents: kind === 'loop' ? [] : under.map((at) => `d${at}`),
    }
    if (kind === 'loop' && under[0] !== undefined) {
      const mountPoint = `/mnt/${index}`
      mounts.push({
        mountPoint,
        filesystem: 'ext4',
        source: '',
        device: `8:${under[0]}`,
        options: [],
      })
      device.backingFile = `${mountPoint}/disk.img`
    }
    layers.push({ device, under, mirrors: kind === 'raid1' })
  }
  return { layers, mounts }
}

/** Sends a transaction to a device; each that it passes counts it. */
function send(layers: readonly Layer[], at: number, counts: number[], choose: () => number): void {
  const { under, mirrors } = layers[at]!
  counts[at] = (counts[at] ?? 0) + 1
  if (under.length === 0) return
  for (const next of mirrors ? under : [under[choose() % under.length]!])
    send(layers, next, counts, choose)
}

const input = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 14 }),
  targets: fc.array(fc.nat(), { minLength: 1, maxLength: 20 }),
  choices: fc.array(fc.nat(), { minLength: 1, maxLength: 20 }),
  mirrored: fc.boolean(),
})

t.test(
  'a sum over leaves counts each transaction once, and on RAID 1 once for each copy',
  async () => {
    fc.assert(
      fc.property(input, ({ steps, targets, choices, mirrored }) => {
        const kinds = steps.map((step) =>
          step.kind === 'raid1' && !mirrored ? { ...step, kind: 'linear' as const } : step,
        )
        const { layers, mounts } = build(kinds)
        const facts = { devices: layers.map(({ device }) => device), mounts, groups: [] }
        const leaves = stackDevices(facts).flatMap(({ leaf }, index) => (leaf ? [index] : []))
        let turn = 0
        const counts: number[] = []
        const choose = () => choices[turn++ % choices.length]!
        let copies = 0
        for (const target of targets.map((target) => target % layers.length)) {
          send(layers, target, counts, choose)
          copies += copiesOf(layers, target)
        }
        const summed = leaves.reduce((total, at) => total + (counts[at] ?? 0), 0)
        equal(summed, copies)
        if (!mirrored) equal(summed, targets.length)
      }),
    )
  },
)

function copiesOf(layers: readonly Layer[], at: number): number {
  const { under, mirrors } = layers[at]!
  if (under.length === 0) return 1
  const copies = under.map((next) => copiesOf(layers, next))
  return mirrors ? copies.reduce((total, one) => total + one, 0) : copies[0]!
}

t.test('no leaf stands on another, and each device on at least one', async () => {
  fc.assert(
    fc.property(input, ({ steps }) => {
      const { layers, mounts } = build(steps)
      const facts = { devices: layers.map(({ device }) => device), mounts, groups: [] }
      const stacked = stackDevices(facts)
      const isLeaf = new Map(stacked.map(({ name, leaf }) => [name, leaf]))
      for (const { name, leaf, leaves, parents } of stacked) {
        ok(leaves.length > 0 && leaves.every((one) => isLeaf.get(one)), name)
        equal(new Set(leaves).size, leaves.length)
        if (leaf) equal(leaves.join(), name)
        else ok(parents.length > 0 && !leaves.includes(name))
      }
    }),
  )
})

t.test('mounts over anything, in any order, end at leaves', async () => {
  const mountOn = fc.record({ on: fc.nat(), over: fc.nat() })
  fc.assert(
    fc.property(input, fc.array(mountOn, { maxLength: 8 }), ({ steps }, more) => {
      const { layers, mounts } = build(steps)
      const over = more.map(({ on, over }): Mount => {
        const [device, folder] = [`8:${on % layers.length}`, `/mnt/${over % layers.length}`]
        return { mountPoint: folder, filesystem: 'ext4', source: '', device, options: [] }
      })
      const devices = layers.map(({ device }) => device)
      const stacked = stackDevices({ devices, mounts: [...mounts, ...over], groups: [] })
      for (const { leaves } of stacked) ok(leaves.length > 0)
    }),
    { numRuns: 1_000 },
  )
})
