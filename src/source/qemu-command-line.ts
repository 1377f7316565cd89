// The command line of a qemu as its process shows it (/proc/PID/cmdline): qemu(1), and as libvirt and Proxmox write it.
import {
  bytesOf,
  isOn,
  isTree,
  type OptionTree,
  parseJsonObject,
  parseOption,
  textOf,
} from './qemu-options.ts'

/** What a qemu was told, as far as kvmio wants it. Nothing in here was checked by qemu after it was started. */
export interface QemuCommandLine {
  /** -name, which libvirt writes as guest=NAME. */
  name?: string
  /** -id: the number that Proxmox gives a vm; no other qemu has this option. */
  id?: string
  uuid?: string
  memoryBytes?: number
  /** The first of those that it may use. */
  accelerator?: string
  /** -machine, without its properties: pc, q35, pc-i440fx-9.2. */
  machine?: string
  /** Block nodes that hold firmware. */
  firmware: string[]
  /** -blockdev, with those inside of others. */
  nodes: BlockNode[]
  /** -drive, and its short forms. */
  drives: DriveOption[]
  devices: DeviceOption[]
}

/** A node of qemu's block graph. */
export interface BlockNode extends ImageOptions {
  /** Absent where it stands inside another. */
  name?: string
  driver: string
  /** A path of a file or a block device. */
  filename?: string
  /** The node that it reads and writes; that of a file, or the one under a filter. */
  file?: BlockNode | string
  /** null: there is none; absent: what the image itself says. */
  backing?: BlockNode | string | null
}

export interface ImageOptions {
  readOnly?: boolean
  /** Whether it passes the host's page cache by. */
  direct?: boolean
  noFlush?: boolean
  aio?: string
  discard?: string
  detectZeroes?: string
}

/** A drive in the older manner: image, and often device, in one. */
export interface DriveOption extends ImageOptions {
  /** Given, or the one that qemu gives it. */
  id: string
  /** none, ide, scsi, virtio, pflash, floppy, sd, mtd. */
  interface: string
  filename?: string
  format?: string
  /** As cache= has it. */
  cache?: string
  isCdrom: boolean
}

/** A device that has a drive, or a controller that others hang on. */
export interface DeviceOption {
  driver: string
  id?: string
  /** A node's name or a drive's id. */
  drive?: string
  /** The bus that it hangs on: scsihw0.0. */
  bus?: string
  iothread?: string
  queues?: number
  writeCache?: boolean
}

const MIB = 2 ** 20
/** Of nodes inside of nodes; a chain of backing images may be long, a text without end is none. */
const DEEPEST = 500

/** Takes what it knows and passes over the rest; no command line is a mistake. */
export function parseQemuCommandLine(argv: readonly string[]): QemuCommandLine {
  const line: QemuCommandLine = { firmware: [], nodes: [], drives: [], devices: [] }
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at]!
    const [, option = ''] = /^--?([a-z][\w-]*)$/i.exec(word) ?? []
    const take = OPTIONS.get(option)
    if (take) take(argv[++at] ?? '', line)
    else if (FLAGS[option]) line.accelerator ??= FLAGS[option]
    else if (word.startsWith('/') && !isOption(argv[at - 1]))
      addDrive(line, { file: word, index: '0' }) // an image without an option before it is the first disk
  }
  return line
}

const FLAGS: Record<string, string> = { 'enable-kvm': 'kvm' }

type Take = (value: string, line: QemuCommandLine) => void

const OPTIONS = new Map<string, Take>([
  ['name', (value, line) => set(line, 'name', parseOption(value, 'guest')?.guest)],
  ['id', (value, line) => set(line, 'id', value)],
  ['uuid', (value, line) => set(line, 'uuid', value)],
  ['m', takeMemory],
  ['machine', takeMachine],
  ['M', takeMachine],
  ['accel', (value, line) => takeAccelerator(parseOption(value, 'accel')?.accel, line)],
  ['blockdev', (value, line) => addNode(parseOption(value, 'driver'), line)],
  ['device', takeDevice],
  ['drive', (value, line) => addDrive(line, parseOption(value, 'file'))],
  ...['hda', 'hdb', 'hdc', 'hdd'].map((option, index): [string, Take] => [
    option,
    (file, line) => addDrive(line, { file, index: String(index) }),
  ]),
  ['cdrom', (file, line) => addDrive(line, { file, index: '2', media: 'cdrom' })],
  ...(['pflash', 'mtdblock', 'sd'] as const).map((kind): [string, Take] => [
    kind,
    (file, line) => addDrive(line, { file, if: kind === 'mtdblock' ? 'mtd' : kind }),
  ]),
  ['fda', (file, line) => addDrive(line, { file, if: 'floppy', index: '0' })],
  ['fdb', (file, line) => addDrive(line, { file, if: 'floppy', index: '1' })],
])

function isOption(word: string | undefined): boolean {
  return word?.startsWith('-') ?? false
}

function set(line: QemuCommandLine, key: 'name' | 'id' | 'uuid', value: unknown): void {
  const text = textOf(value)
  if (text) line[key] = text
}

function takeMemory(value: string, line: QemuCommandLine): void {
  const bytes = bytesOf(parseOption(value, 'size')?.size, MIB)
  if (bytes !== undefined) line.memoryBytes = bytes
}

function takeMachine(value: string, line: QemuCommandLine): void {
  const machine = parseOption(value, 'type')
  if (!machine) return
  const type = textOf(machine.type)
  if (type !== undefined) line.machine = type
  takeAccelerator(machine.accel, line)
  for (const key of ['pflash0', 'pflash1']) {
    const node = textOf(machine[key])
    if (node !== undefined) line.firmware.push(node)
  }
}

function takeAccelerator(value: unknown, line: QemuCommandLine): void {
  const [first] = (textOf(value) ?? '').split(':')
  if (first) line.accelerator ??= first
}

function takeDevice(value: string, line: QemuCommandLine): void {
  const device = parseOption(value, 'driver')
  const driver = textOf(device?.driver)
  if (!device || driver === undefined) return
  const queues = Number(textOf(device['num-queues'] ?? device.num_queues))
  line.devices.push({
    driver,
    ...texts({ id: device.id, drive: device.drive, bus: device.bus, iothread: device.iothread }),
    ...given('queues', Number.isSafeInteger(queues) && queues > 0 ? queues : undefined),
    ...given('writeCache', isOn(device['write-cache'])),
  })
}

/** Gives the node, and puts it and those inside of it where they are found by name. */
function addNode(tree: unknown, line: QemuCommandLine, depth = 0): BlockNode | undefined {
  if (!isTree(tree) || depth > DEEPEST) return undefined
  const child = (value: unknown) => textOf(value) ?? addNode(value, line, depth + 1)
  const node: BlockNode = {
    driver: textOf(tree.driver) ?? '',
    ...texts({ name: tree['node-name'], filename: tree.filename }),
    ...given('file', child(tree.file)),
    ...given('backing', tree.backing === null ? null : child(tree.backing)),
    ...imageOptions(tree),
  }
  line.nodes.push(node)
  return node
}

function imageOptions(tree: OptionTree): ImageOptions {
  const cache = isTree(tree.cache) ? tree.cache : {}
  return {
    ...given('readOnly', isOn(tree['read-only'] ?? tree.readonly)),
    ...given('direct', isOn(cache.direct)),
    ...given('noFlush', isOn(cache['no-flush'])),
    ...texts({ aio: tree.aio, discard: tree.discard, detectZeroes: tree['detect-zeroes'] }),
  }
}

/** Of -drive's interfaces, those of which a bus holds several (blockdev.c: if_max_devs). */
const UNITS: Record<string, number> = { ide: 2, scsi: 7 }

function addDrive(line: QemuCommandLine, tree: OptionTree | undefined): void {
  if (!tree) return
  const kind = textOf(tree.if) ?? (/^virt(-|$)/.test(line.machine ?? '') ? 'virtio' : 'ide')
  const isCdrom = textOf(tree.media) === 'cdrom'
  const { filename, options } = imageOf(tree)
  line.drives.push({
    id: textOf(tree.id) ?? nextId(line, kind, isCdrom, tree),
    interface: kind,
    isCdrom,
    ...options,
    ...imageOptions(tree),
    ...texts({ filename, format: tree.format ?? tree.driver, cache: tree.cache }),
  })
}

/** file=PATH, file.filename=PATH, or file=json:{…}; an image on a server has no path. */
function imageOf({ file }: OptionTree): { filename?: string; options?: ImageOptions } {
  let tree: unknown = file
  if (typeof file === 'string') {
    if (!file.startsWith('json:')) return { filename: file.replace(/^file:/, '') }
    tree = parseJsonObject(file.slice('json:'.length))
  }
  let options: ImageOptions = {}
  while (isTree(tree)) {
    options = { ...options, ...imageOptions(tree) }
    const filename = textOf(tree.filename)
    if (filename !== undefined) return { filename, options }
    tree = tree.file
  }
  return {}
}

/** As qemu makes it up of interface, bus and unit (blockdev.c: drive_new): ide0-hd0, virtio1. */
function nextId(line: QemuCommandLine, kind: string, isCdrom: boolean, tree: OptionTree): string {
  const isAhci = kind === 'ide' && /q35/.test(line.machine ?? '')
  const units = isAhci ? 1 : (UNITS[kind] ?? 0)
  const media = UNITS[kind] === undefined ? '' : isCdrom ? '-cd' : '-hd'
  const idAt = (index: number) =>
    units > 0
      ? `${kind}${Math.floor(index / units)}${media}${index % units}`
      : `${kind}${media}${index}`
  const index = /^\d{1,4}$/.exec(textOf(tree.index) ?? '')
  if (index) return idAt(Number(index[0]))
  const taken = new Set(line.drives.map(({ id }) => id.replace('-cd', '-hd')))
  let free = 0
  while (taken.has(idAt(free).replace('-cd', '-hd'))) free += 1
  return idAt(free)
}

/** Those of the values that are texts. */
function texts<K extends string>(values: Record<K, unknown>): { [key in K]?: string } {
  const found = Object.entries(values).flatMap(([key, value]) => {
    const text = textOf(value)
    return text === undefined ? [] : [[key, text]]
  })
  return Object.fromEntries(found)
}

function given<K extends string, V>(key: K, value: V | undefined): { [key in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [key in K]?: V })
}
