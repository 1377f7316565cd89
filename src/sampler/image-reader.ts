import { basename } from 'node:path'
import type { Backend, Drive, Tier, Vm } from '../attribution/records.ts'
import { DeadlineError } from '../lib/errors.ts'
import { HangGuard } from '../lib/hang-guard.ts'
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

/** One image of a drive: its own, or one of those under it. */
interface Image {
  backend: Backend
  format: string
  /** As the guest sees it, where that is known without a look. */
  sizeBytes?: number
  /** The name of the drive's tier. */
  tier: string
}

export interface ImageReaderOptions
  extends Pick<PacedReaderOptions<string, Image, ImageSize>, 'onError' | 'now'> {
  sysRoot: string
  /** What may hang is read under its eyes. */
  guard?: HangGuard
  vms(): readonly Pick<Vm, 'name' | 'pid' | 'drives'>[]
  tiers(): readonly ImageTier[]
  /** The logical volumes of a group; what lvs says by default. */
  readVolumes?: Volumes
}

type ImageTier = Pick<Tier, 'name' | 'kind' | 'volumeGroup' | 'found'>

export type ImageReader = PacedReader<string, Image, ImageSize>

const PACE_MS = 15_000
// lvs may have to wait for its lock.
const DEADLINE_MS = 5_000

/** How large the images of each drive are: where their filesystem hangs, no scrape does. */
export function createImageReader(options: ImageReaderOptions): ImageReader {
  const { sysRoot, vms, tiers, onError, now = () => performance.now() } = options
  const { guard = new HangGuard() } = options
  const volumes = shared(options.readVolumes ?? readLogicalVolumes, now)
  return new PacedReader({
    source: 'image',
    items: () => new Map(vms().flatMap((vm) => vm.drives.flatMap((drive) => imagesOf(vm, drive)))),
    read: async (image: Image) => {
      const tier = tiers().find(({ name }) => name === image.tier)
      // Many images may lie on a server that has gone: one of them waits for it.
      const place = `an image of tier ${image.tier}`
      if (guard.underWay.includes(place)) throw new DeadlineError(`${place} has not answered yet`)
      const read = () => readImageSize(image, tier, sysRoot, volumes)
      return guard.run(place, Number.POSITIVE_INFINITY, read)
    },
    paceMs: PACE_MS,
    deadlineMs: DEADLINE_MS,
    onError,
    now,
  })
}

/** What an image of a drive is read under; depth 0 is its own, the next ones lie under it. */
export function imageKey(
  { name, pid }: Pick<Vm, 'name' | 'pid'>,
  drive: Pick<Drive, 'name'>,
  depth: number,
): string {
  return `${name} ${pid} ${drive.name} ${depth}`
}

function imagesOf(vm: Pick<Vm, 'name' | 'pid'>, drive: Drive): [string, Image][] {
  const { backend, format, sizeBytes, tier, backingImages = [] } = drive
  const images = [{ backend, format, sizeBytes }, ...backingImages]
  return images.map((image, depth) => [imageKey(vm, drive, depth), { ...image, tier }])
}

type Volumes = (group: string) => Promise<LogicalVolume[]>

/** One answer of lvs for all drives whose turn it is. */
function shared(read: Volumes, now: () => number): Volumes {
  const answers = new Map<string, { at: number; volumes: Promise<LogicalVolume[]> }>()
  return (group) => {
    const last = answers.get(group)
    if (last && now() - last.at < PACE_MS / 2) return last.volumes
    const volumes = read(group)
    answers.set(group, { at: now(), volumes })
    return volumes
  }
}

async function readImageSize(
  { backend, format, sizeBytes }: Image,
  tier: ImageTier | undefined,
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
  tier: ImageTier | undefined,
  volumes: Volumes,
): Promise<number | undefined> {
  const group = tier?.volumeGroup
  if (!group) return tier?.kind === 'device' ? deviceBytes : undefined
  const mayBeThin = group.thinPool !== undefined || tier.found
  if (!mayBeThin) return deviceBytes
  const volume = (await volumes(group.name)).find(({ name }) => name === basename(path))
  return volume && Math.round((volume.written ?? 1) * deviceBytes)
}
