import type { Tier } from '../attribution/records.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sample, sampleIfGiven } from '../metrics/family.ts'
import { readGroupSpace } from '../source/lvm.ts'
import { readSpace, type Space } from '../source/mounts.ts'
import { type Collector, collectEach, type Scrape, sourceTimeoutMs } from './collector.ts'

/** The tiers: where they stand, what they may hold, and how full they are. */
export const tier: Collector = {
  name: 'tier',

  async collect(scrape) {
    const { tiers, vms } = scrape
    const space = await collectEach('tier', tiers, scrape, (tier) => spaceSamples(tier, scrape))
    const rest = tiers.flatMap((tier) => [
      ...infoSamples(tier),
      sample(m.tierVms, { tier: tier.name }, vms.filter(({ drives }) => isOn(drives, tier)).length),
      ...capacitySamples(tier),
      ...calibrationSamples(tier),
    ])
    return [...rest, ...space]
  },
}

function isOn(drives: readonly { tier: string }[], { name }: Tier): boolean {
  return drives.some(({ tier }) => tier === name)
}

function infoSamples(tier: Tier): Sample[] {
  const { name, kind, filesystem = '', directory = '', target = '', device, unavailable } = tier
  const found = String(tier.found ?? false)
  return [
    sample(m.tierInfo, { tier: name, kind, filesystem, directory, target, found }, 1),
    ...(device === undefined ? [] : [sample(m.tierDeviceInfo, { tier: name, device }, 1)]),
    sample(m.tierAvailable, { tier: name }, unavailable === undefined ? 1 : 0),
  ]
}

function capacitySamples({
  name,
  targetLatency,
  ratedTransactionsPerSecond: rated,
}: Tier): Sample[] {
  const labels = { tier: name, source: 'rated', class: 'any' }
  return [
    ...sampleIfGiven(m.tierTargetLatency, { tier: name }, targetLatency),
    ...sampleIfGiven(m.tierCapacity, labels, rated),
    ...sampleIfGiven(m.tierOperationCost, labels, rated === undefined ? undefined : 1 / rated),
  ]
}

function calibrationSamples({ name, calibration }: Tier): Sample[] {
  if (!calibration) return []
  const classes = calibration.classes.flatMap((of) => {
    const labels = { tier: name, source: 'calibrated', class: of.class }
    return [
      ...sampleIfGiven(m.tierCapacity, labels, of.capacity),
      sample(m.tierPeak, labels, of.peak),
      sample(m.tierBaseLatency, labels, of.baseLatency),
      ...sampleIfGiven(m.tierCapacityBytes, labels, of.bytesPerSecond),
      sample(m.tierCalibrationResidual, { tier: name, class: of.class }, of.residual),
      sample(m.tierOperationCost, labels, 1 / of.peak),
    ]
  })
  return [...classes, sample(m.tierCalibrationTime, { tier: name }, calibration.endedAt)]
}

async function spaceSamples(tier: Tier, scrape: Scrape): Promise<Sample[]> {
  const labels = { tier: tier.name }
  const space = tier.unavailable === undefined ? await readTierSpace(tier, scrape) : undefined
  if (!space) return sampleIfGiven(m.tierSpace.size, labels, tier.sizeBytes)
  return [
    sample(m.tierSpace.size, labels, space.sizeBytes),
    sample(m.tierSpace.free, labels, space.freeBytes),
    sample(m.tierSpace.available, labels, space.availableBytes),
  ]
}

// statfs of a mount whose server is gone never returns.
async function readTierSpace(tier: Tier, scrape: Scrape): Promise<Space | undefined> {
  const { name, directory, volumeGroup } = tier
  const read = volumeGroup
    ? () => readGroupSpace(volumeGroup.name, volumeGroup.thinPool)
    : directory !== undefined && (() => spaceOf(directory))
  if (!read) return undefined
  return await scrape.guard.run(`the space of tier ${name}`, sourceTimeoutMs(scrape), read)
}

async function spaceOf(directory: string): Promise<Space | undefined> {
  const space = await readSpace(directory)
  // Some network filesystems do not say: statfs(2) has zeros, and df a dash.
  return space.sizeBytes > 0 ? space : undefined
}
