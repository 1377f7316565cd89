import type { StorageFacts } from '../attribution/images.ts'
import { type StackedDevice, stackDevices } from '../attribution/topology.ts'
import { Serial } from '../lib/serial.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sample } from '../metrics/family.ts'
import { type ImageFile, readImageFile } from '../source/image-file.ts'
import { readMounts } from '../source/mounts.ts'
import { readBlockDevices, readFilesystemGroups, readRotational } from '../source/sysfs.ts'
import type { Collector, Scrape } from './collector.ts'
import { diskSamples } from './disk-samples.ts'
import { type DriveImage, driveImages, imageSample, pathsOf, placeOf } from './drive-images.ts'
import { OnceAsked } from './once-asked.ts'

/** The host's block devices: what they did, how they stand on one another, and which images lie on them. */
export function createDiskstatsCollector(): Collector {
  const turning = new OnceAsked<boolean | undefined>()
  const files = new OnceAsked<ImageFile>()
  const reading = new Serial() // a server that has gone holds up one thread, and not all that Node has
  const readFile = (path: string) => reading.run(() => readImageFile(path))
  return {
    name: 'diskstats',

    async collect(scrape) {
      const images = driveImages(scrape.vms)
      await files.ask(images.flatMap(pathsOf), readFile)
      return await collect(scrape, images, (path) => files.of(path), turning)
    },
  }
}

async function collect(
  scrape: Scrape,
  images: readonly DriveImage[],
  fileOf: (path: string) => ImageFile | undefined,
  turning: OnceAsked<boolean | undefined>,
): Promise<Sample[]> {
  const [stats, facts] = await Promise.all([scrape.sampler.readDevices(), readFacts(scrape)])
  const places = images.map((image) => placeOf(image, fileOf, facts))
  const shown = shownDevices(
    stackDevices(facts),
    places.flatMap(({ devices }) => devices),
    scrape,
  )
  await turning.ask([...shown.keys()], (disk) => readRotational(scrape.sysRoot, disk))
  return [
    ...stats
      .filter(({ device }) => shown.has(device))
      .flatMap((stat) => diskSamples(m.device, { device: stat.device }, stat)),
    ...[...shown.values()].flatMap((device) => infoSamples(device, turning.of(device.name))),
    ...images.map((image, index) => imageSample(image, places[index]!)),
  ]
}

async function readFacts({ procRoot, sysRoot }: Scrape): Promise<StorageFacts> {
  const [mounts, devices, groups] = await Promise.all([
    readMounts(procRoot),
    readBlockDevices(sysRoot),
    readFilesystemGroups(sysRoot),
  ])
  return { mounts, devices, groups }
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
