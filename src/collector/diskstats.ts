import { basename } from 'node:path'
import type { StorageFacts } from '../attribution/images.ts'
import { type StackedDevice, stackDevices } from '../attribution/topology.ts'
import { Serial } from '../lib/serial.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sample } from '../metrics/family.ts'
import type { Diskstat } from '../source/diskstats.ts'
import { type ImageFile, readImageFile } from '../source/image-file.ts'
import { readMounts } from '../source/mounts.ts'
import {
  type BlockDevice,
  readBlockDevices,
  readFilesystemGroups,
  readRotational,
} from '../source/sysfs.ts'
import { type Collector, type Scrape, sourceTimeoutMs } from './collector.ts'
import { diskSamples } from './disk-samples.ts'
import { type DriveImage, driveImages, imageSample, pathsOf, placeOf } from './drive-images.ts'
import { KeptReading } from './kept-reading.ts'
import { OnceAsked } from './once-asked.ts'

/** The host's block devices: what they did, how they stand on one another, and which images lie on them. */
export function createDiskstatsCollector(): Collector {
  const kept: Kept = {
    stacks: new KeptReading(),
    turning: new OnceAsked(),
    files: new OnceAsked(),
    reading: new Serial(),
  }
  return { name: 'diskstats', collect: (scrape) => collect(scrape, kept) }
}

/** What stays from scrape to scrape. */
interface Kept {
  stacks: KeptReading<Stacks>
  turning: OnceAsked<boolean | undefined>
  files: OnceAsked<ImageFile>
  /** A server that has gone holds up one thread for all images on it. */
  reading: Serial
}

interface Stacks {
  facts: StorageFacts
  devices: readonly StackedDevice[]
  /** Disks that did not answer: what they stand on is not known. */
  silent: readonly string[]
}

async function collect(scrape: Scrape, kept: Kept): Promise<Sample[]> {
  const { stacks, turning, files, reading } = kept
  const { sysRoot, guard } = scrape
  const stats = await scrape.sampler.readDevices()
  const images = driveImages(scrape.vms)
  const { facts, devices, silent } = await stacks.get(
    keyOf(stats, images, scrape),
    () => readStacks(scrape),
    (error) => scrape.onError('diskstats', error),
  )
  const inItsTime = Number.POSITIVE_INFINITY
  await files.ask(images.flatMap(pathsOf), (path) =>
    reading.run(() => guard.run(path, inItsTime, () => readImageFile(path))),
  )
  const places = images.map((image) => placeOf(image, (path) => files.of(path), facts))
  const shown = shownDevices(
    devices,
    places.flatMap(({ devices }) => devices),
    scrape,
  )
  await turning.ask([...shown.keys()], (disk) =>
    guard.run(`${disk} queue`, inItsTime, () => readRotational(sysRoot, disk)),
  )
  return [
    ...stats
      .filter(({ device }) => shown.has(device) || silent.includes(device))
      .flatMap((stat) => diskSamples(m.device, { device: stat.device }, stat)),
    ...[...shown.values()].flatMap((device) => infoSamples(device, turning.of(device.name))),
    ...images.map((image, index) => imageSample(image, places[index]!)),
  ]
}

/** With a device, a tier or an image that comes or goes, the stacks may be others. */
function keyOf(
  stats: readonly Diskstat[],
  images: readonly DriveImage[],
  { tiers }: Scrape,
): string {
  return [
    ...stats.map(({ major, minor, device }) => `${major}:${minor} ${device}`),
    ...tiers.map(({ device, directory }) => `${device} ${directory}`),
    ...images.flatMap(pathsOf),
  ].join('\n')
}

async function readStacks(scrape: Scrape): Promise<Stacks> {
  const { procRoot, sysRoot, guard } = scrape
  const inTime = <T>(key: string, read: () => Promise<T>) =>
    guard.run(key, sourceTimeoutMs(scrape), read)
  const silent: string[] = []
  const orNone = async (folder: string, read: () => Promise<BlockDevice[]>) => {
    try {
      return await inTime(folder, read)
    } catch (error) {
      scrape.onError('diskstats', error)
      silent.push(basename(folder).replaceAll('!', '/'))
      return []
    }
  }
  const [mounts, devices, groups] = await Promise.all([
    inTime(`${procRoot}/self/mountinfo`, () => readMounts(procRoot)),
    readBlockDevices(sysRoot, orNone),
    inTime(`${sysRoot}/fs/btrfs`, () => readFilesystemGroups(sysRoot)),
  ])
  const facts = { mounts, devices, groups }
  return { facts, devices: stackDevices(facts), silent: silent.filter(scrape.showsDevice) }
}

/** Those that the filter lets through, those of the tiers and of images, and all that these stand on. */
function shownDevices(
  devices: readonly StackedDevice[],
  ofImages: readonly string[],
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
  for (const name of ofImages) show(name)
  return shown
}

function infoSamples(device: StackedDevice, rotational: boolean | undefined): Sample[] {
  const { name, label, major, minor, kind, volume, level, leaf, parents, leaves } = device
  const info = {
    device: name,
    major: String(major ?? ''),
    minor: String(minor ?? ''),
    kind,
    name: label ?? '',
    vg_name: volume?.group ?? '',
    lv_name: volume?.name ?? '',
    lv_layer: volume?.layer ?? '',
    level: level ?? '',
    rotational: rotational === undefined ? '' : String(rotational),
    leaf: String(leaf),
  }
  return [
    sample(m.deviceInfo, info, 1),
    ...parents.map((parent) => sample(m.deviceParentInfo, { device: name, parent }, 1)),
    ...leaves.map((leaf) => sample(m.deviceLeafInfo, { device: name, leaf }, 1)),
  ]
}
