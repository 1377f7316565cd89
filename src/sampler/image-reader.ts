import { basename } from 'node:path'
import type { Drive, Tier, Vm } from '../attribution/records.ts'
import { readDeviceSize, readFileSize, readQcow2Size } from '../source/image-size.ts'
import { type LogicalVolume, readLogicalVolumes } from '../source/lvm.ts'
import { PacedReader, type PacedReaderOptions } from './paced-reader.ts'

/** What is not known, or does not apply, is absent. */
export interface ImageSize {
  /** As the guest sees it. */
  virtualBytes?: number
  /** What it takes of its tier. */
  allocatedBytes?: number
  /** Length of its file. */
  fileBytes?: number
}

export interface ImageReaderOptions
  extends Pick<PacedReaderOptions<string, Drive, ImageSize>, 'onError' | 'now'> {
  sysRoot: string
  vms(): readonly Pick<Vm, 'name' | 'pid' | 'drives'>[]
  tiers(): readonly Pick<Tier, 'name' | 'kind' | 'volumeGroup'>[]
}

export type ImageReader = PacedReader<string, Drive, ImageSize>

const PACE_MS = 15_000
// lvs may have to wait for its lock.
const DEADLINE_MS = 5_000

/** How large the image of each drive is: where its filesystem hangs, no scrape does. */
export function createImageReader(options: ImageReaderOptions): ImageReader {
  const { sysRoot, vms, tiers, onError, now = () => performance.now() } = options
  const volumes = sharedVolumes(now)
  return new PacedReader({
    source: 'image',
    items: () =>
      new Map(vms().flatMap((vm) => vm.drives.map((drive) => [imageKey(vm, drive), drive]))),
    read: (drive: Drive) => {
      const tier = tiers().find(({ name }) => name === drive.tier)
      return readImageSize(drive, tier, sysRoot, volumes)
    },
    paceMs: PACE_MS,
    deadlineMs: DEADLINE_MS,
    onError,
    now,
  })
}

/** What the image of a drive is read under. */
export function imageKey({ name, pid }: Pick<Vm, 'name' | 'pid'>, drive: Drive): string {
  return `${name} ${pid} ${drive.name}`
}

type Volumes = (group: string) => Promise<LogicalVolume[]>

/** One answer of lvs for all drives whose turn it is. */
function sharedVolumes(now: () => number): Volumes {
  const answers = new Map<string, { at: number; volumes: Promise<LogicalVolume[]> }>()
  return (group) => {
    const last = answers.get(group)
    if (last && now() - last.at < PACE_MS / 2) return last.volumes
    const volumes = readLogicalVolumes(group)
    answers.set(group, { at: now(), volumes })
    return volumes
  }
}

async function readImageSize(
  { backend, format, sizeBytes }: Drive,
  tier: Pick<Tier, 'kind' | 'volumeGroup'> | undefined,
  sysRoot: string,
  volumes: Volumes,
): Promise<ImageSize> {
  if (backend.kind === 'url') return { virtualBytes: sizeBytes }
  const { path } = backend
  const virtual = async (whole: number) => {
    if (sizeBytes !== undefined || format === 'raw') return sizeBytes ?? whole
    return format === 'qcow2' ? await readQcow2Size(path) : undefined
  }
  if (backend.kind === 'file') {
    const size = await readFileSize(path)
    return { ...size, virtualBytes: await virtual(size.fileBytes) }
  }
  const deviceBytes = await readDeviceSize(sysRoot, path)
  const allocatedBytes = await allocatedOf(path, deviceBytes, tier, volumes)
  return { allocatedBytes, virtualBytes: await virtual(deviceBytes) }
}

/** A volume or a disk is taken whole, unless it is a thin volume, of which its pool holds what was written. */
async function allocatedOf(
  path: string,
  deviceBytes: number,
  tier: Pick<Tier, 'kind' | 'volumeGroup'> | undefined,
  volumes: Volumes,
): Promise<number | undefined> {
  const group = tier?.volumeGroup
  if (group?.thinPool === undefined)
    return group || tier?.kind === 'device' ? deviceBytes : undefined
  const volume = (await volumes(group.name)).find(({ name }) => name === basename(path))
  return volume?.written === undefined ? undefined : Math.round(volume.written * deviceBytes)
}
