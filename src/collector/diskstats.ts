import type { Backend } from '../attribution/records.ts'
import { type StackedDevice, stackDevices } from '../attribution/topology.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sample } from '../metrics/family.ts'
import type { Diskstat } from '../source/diskstats.ts'
import { mapperName } from '../source/lvm.ts'
import { readMounts } from '../source/mounts.ts'
import { readBlockDevices, readRotational } from '../source/sysfs.ts'
import type { Collector, Scrape } from './collector.ts'
import { diskSamples } from './disk-samples.ts'
import { KeptReading } from './kept-reading.ts'

// What answers at all does so in a millisecond.
const ANSWER_MS = 250

/** The host's block devices: what they did, and how they stand on one another. */
export function createDiskstatsCollector(): Collector {
  const stacks = new KeptReading<StackedDevice[]>()
  const turning = new Turning()
  return { name: 'diskstats', collect: (scrape) => collect(scrape, stacks, turning) }
}

async function collect(
  scrape: Scrape,
  stacks: KeptReading<StackedDevice[]>,
  turning: Turning,
): Promise<Sample[]> {
  const stats = await scrape.devices()
  const devices = await stacks.get(
    keyOf(stats, scrape),
    () => readStacks(scrape),
    (error) => scrape.onError('diskstats', error),
  )
  const shown = shownDevices(devices, scrape)
  await turning.ask(scrape, [...shown.keys()])
  return [
    ...stats
      .filter(({ device }) => shown.has(device))
      .flatMap((stat) => diskSamples(m.device, { device: stat.device }, stat)),
    ...[...shown.values()].flatMap((device) => infoSamples(device, turning.of(device.name))),
  ]
}

/** With a device, a tier or a drive that comes or goes, the stacks may be others. */
function keyOf(stats: readonly Diskstat[], { tiers, vms }: Scrape): string {
  return [
    ...stats.map(({ major, minor, device }) => `${major}:${minor} ${device}`),
    ...tiers.map(({ device, directory }) => `${device} ${directory}`),
    ...vms.flatMap(({ drives }) => drives.map(({ backend }) => placeOf(backend))),
  ].join('\n')
}

function placeOf(backend: Backend): string {
  return backend.kind === 'url' ? '' : backend.path
}

async function readStacks({ procRoot, sysRoot, guard }: Scrape): Promise<StackedDevice[]> {
  const [devices, mounts] = await Promise.all([
    guard.run(`${sysRoot}/block`, ANSWER_MS, () => readBlockDevices(sysRoot)),
    guard.run(`${procRoot}/self/mountinfo`, ANSWER_MS, () => readMounts(procRoot)),
  ])
  return stackDevices(devices, mounts)
}

/** What disks have said of themselves; each is asked once, and one that does not answer is waited for by nobody. */
class Turning {
  readonly #answers = new Map<string, boolean | undefined>()

  of(disk: string): boolean | undefined {
    return this.#answers.get(disk)
  }

  /** Asks those that are new, a moment for the answer to be there in the same scrape. */
  async ask({ sysRoot, guard }: Scrape, disks: readonly string[]): Promise<void> {
    for (const known of this.#answers.keys())
      if (!disks.includes(known)) this.#answers.delete(known)
    const fresh = disks.filter((disk) => !this.#answers.has(disk))
    if (fresh.length === 0) return
    const asked = fresh.map(async (disk) => {
      this.#answers.set(disk, undefined)
      const answer = (value: boolean | undefined) => this.#answers.set(disk, value)
      const path = `${sysRoot}/block/${disk}/queue/rotational`
      await guard.run(path, ANSWER_MS, () => readRotational(sysRoot, disk).then(answer))
    })
    await Promise.allSettled(asked)
  }
}

/** Those that the filter lets through, those of the tiers and of drives, and all that these stand on. */
function shownDevices(
  devices: readonly StackedDevice[],
  scrape: Scrape,
): Map<string, StackedDevice> {
  const byName = new Map(devices.map((device) => [device.name, device]))
  const shown = new Map<string, StackedDevice>()
  const show = (name: string): void => {
    const device = byName.get(name)
    if (!device || shown.has(name)) return
    shown.set(name, device)
    for (const parent of device.parents) show(parent)
  }
  for (const { name } of devices) if (scrape.showsDevice(name)) show(name)
  for (const { device } of scrape.tiers) if (device !== undefined) show(device)
  const mapped = new Map(devices.map(({ label, name }) => [label, name]))
  for (const { backend } of scrape.vms.flatMap(({ drives }) => drives)) {
    const volume = backend.kind === 'device' ? mapped.get(mapperName(backend.path)) : undefined
    if (volume !== undefined) show(volume)
  }
  return shown
}

function infoSamples(device: StackedDevice, rotational: boolean | undefined): Sample[] {
  const { name, label, major, minor, kind, leaf, parents } = device
  const info = {
    device: name,
    major: String(major),
    minor: String(minor),
    kind,
    name: label ?? '',
    rotational: rotational === undefined ? '' : String(rotational),
    leaf: String(leaf),
  }
  return [
    sample(m.deviceInfo, info, 1),
    ...parents.map((parent) => sample(m.deviceParentInfo, { device: name, parent }, 1)),
  ]
}
