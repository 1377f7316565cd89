import type {
  BlockNode,
  DeviceOption,
  DriveOption,
  ImageOptions,
  QemuCommandLine,
} from '../source/qemu-command-line.ts'

/** What the command line says of one image. */
export interface Slot {
  path: string
  /** The node's name or the drive's id. */
  name: string
  device?: DeviceOption
  /** Of a drive that names its own bus. */
  interface?: string
  format: string
  cache?: string
  options: ImageOptions
  backing?: number
  /** Read by the guest, and no drive of it: a cdrom, a floppy, firmware. */
  isMedium: boolean
}

/** What the guest has by the command line: by -blockdev and -device, or by -drive. */
export function slotsOf(line: QemuCommandLine): Slot[] {
  const nodes = new Map(line.nodes.map((node) => [node.name, node]))
  const deviceOf = (name: string) => line.devices.find(({ drive }) => drive === name)
  const ofNodes = line.nodes.flatMap((node): Slot[] => {
    const device = node.name === undefined ? undefined : deviceOf(node.name)
    const isFirmware = node.name !== undefined && line.firmware.includes(node.name)
    if (!device && !isFirmware) return []
    const image = imageOf(node, nodes)
    return image
      ? [{ ...image, name: node.name!, device, isMedium: isFirmware || isMedium(device) }]
      : []
  })
  const ofDrives = line.drives.flatMap((drive): Slot[] => {
    if (drive.filename === undefined) return []
    const device = deviceOf(drive.id)
    const isNoDisk = drive.isCdrom || ['pflash', 'floppy'].includes(drive.interface)
    return [
      {
        ...slotOfDrive(drive, drive.filename),
        device,
        isMedium: isNoDisk || isMedium(device),
      },
    ]
  })
  return [...ofNodes, ...ofDrives]
}

/** The paths that the command line has of images. */
export function imagePaths(line: QemuCommandLine): string[] {
  const ofNodes = line.nodes.map(({ filename }) => filename)
  return [...ofNodes, ...line.drives.map(({ filename }) => filename)].filter(
    (path) => path !== undefined,
  )
}

/** Images under others: while one is committed into another, that is open to write to. */
export function backingPaths({ nodes: all }: QemuCommandLine): string[] {
  const nodes = new Map(all.map((node) => [node.name, node]))
  return all.flatMap(({ backing }) => {
    const node = typeof backing === 'string' ? nodes.get(backing) : backing
    const image = node ? imageOf(node, nodes) : undefined
    return image ? [image.path] : []
  })
}

function slotOfDrive(drive: DriveOption, path: string): Omit<Slot, 'isMedium'> {
  const { id, interface: kind, format = '', cache, isCdrom: _, filename: __, ...options } = drive
  return {
    path,
    name: id,
    ...(kind === 'none' ? {} : { interface: kind }),
    format,
    ...(cache === undefined ? {} : { cache }),
    options,
  }
}

function isMedium(device: DeviceOption | undefined): boolean {
  return /(-cd|^floppy)$/.test(device?.driver ?? '')
}

type Nodes = ReadonlyMap<string | undefined, BlockNode>

/** The image at the bottom of a device's node, with what the nodes between the two say. */
function imageOf(top: BlockNode, nodes: Nodes): Omit<Slot, 'name' | 'isMedium'> | undefined {
  let format: BlockNode | undefined
  let options: ImageOptions = {}
  for (const node of downwards(top, nodes)) {
    const { name: _, driver, filename, file: __, backing: ___, ...own } = node
    options = { ...own, ...options }
    if (filename !== undefined) {
      const backing = format && backingOf(format, nodes)
      const counted = backing === undefined ? {} : { backing }
      return { path: filename, format: format?.driver ?? 'raw', options, ...counted }
    }
    if (!FILTERS.has(driver)) format ??= node
  }
  return undefined
}

/** Drivers that are no format. */
const FILTERS = new Set(['throttle', 'copy-on-read', 'blkdebug', 'blklogwrites', 'preallocate'])

/** A node and those that it lies on, without the images under it. */
function* downwards(top: BlockNode, nodes: Nodes): Generator<BlockNode> {
  const seen = new Set<BlockNode>()
  let node: BlockNode | undefined = top
  while (node && !seen.has(node)) {
    seen.add(node)
    yield node
    node = typeof node.file === 'string' ? nodes.get(node.file) : node.file
  }
}

/** How many images lie under one; undefined where the image itself says on what it lies. */
function backingOf(format: BlockNode, nodes: Nodes): number | undefined {
  const seen = new Set<BlockNode>()
  for (let node: BlockNode | undefined = format; node && !seen.has(node); ) {
    seen.add(node)
    if (node.backing === null || node.driver === 'raw') return seen.size - 1
    if (node.backing === undefined) return undefined
    node = typeof node.backing === 'string' ? nodes.get(node.backing) : node.backing
  }
  return undefined
}
