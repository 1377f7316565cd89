import { setTimeout as sleep } from 'node:timers/promises'
import { type StackedDevice, stackDevices } from '../attribution/topology.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sample } from '../metrics/family.ts'
import { mapperName } from '../source/lvm.ts'
import { readMounts } from '../source/mounts.ts'
import { readBlockDevices, readRotational } from '../source/sysfs.ts'
import type { Collector, Scrape } from './collector.ts'
import { diskSamples } from './disk-samples.ts'

const ANSWER_MS = 100

/** The host's block devices: what they did, and how they stand on one another. */
export function createDiskstatsCollector(): Collector {
  const turning = new Turning()
  return { name: 'diskstats', collect: (scrape) => collect(scrape, turning) }
}

async function collect(scrape: Scrape, turning: Turning): Promise<Sample[]> {
  const { procRoot, sysRoot, sampler } = scrape
  const [stats, devices, mounts] = await Promise.all([
    sampler.readDevices(),
    readBlockDevices(sysRoot),
    readMounts(procRoot),
  ])
  const shown = shownDevices(stackDevices({ mounts, devices, groups: [] }), scrape)
  await turning.ask(sysRoot, [...shown.keys()])
  return [
    ...stats
      .filter(({ device }) => shown.has(device))
      .flatMap((stat) => diskSamples(m.device, { device: stat.device }, stat)),
    ...[...shown.values()].flatMap((device) => infoSamples(device, turning.of(device.name))),
  ]
}

/** What disks have said of themselves; each is asked once, and one that does not answer is waited for by nobody. */
class Turning {
  readonly #answers = new Map<string, boolean | undefined>()

  of(disk: string): boolean | undefined {
    return this.#answers.get(disk)
  }

  /** Asks those that are new, a moment for the answer to be there in the same scrape. */
  async ask(sysRoot: string, disks: readonly string[]): Promise<void> {
    for (const known of this.#answers.keys())
      if (!disks.includes(known)) this.#answers.delete(known)
    const fresh = disks.filter((disk) => !this.#answers.has(disk))
    if (fresh.length === 0) return
    const asked = fresh.map(async (disk) => {
      this.#answers.set(disk, undefined)
      this.#answers.set(disk, await readRotational(sysRoot, disk))
    })
    await Promise.race([Promise.allSettled(asked), sleep(ANSWER_MS)])
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
