import { z } from 'zod'
import { tierSchema } from './tier-schema.ts'
import { bytes, name, nameOf, path, seconds, whole } from './values.ts'

// Every key of kvmio.yaml with its rule, its default and what it is for. The JSON schema for editors is made from it
// (npm run snap). Rules that need more than one key stand in rules.ts and study-rules.ts. A message says what is
// expected; problems.ts adds what was found.

export const BUSES = ['virtio-blk', 'virtio-scsi', 'ide', 'sata', 'scsi', 'pvscsi', 'nvme'] as const
export const FORMATS = ['qcow2', 'raw'] as const
export const PREALLOCATIONS = ['off', 'metadata', 'falloc', 'full'] as const
export const CACHES = ['none', 'writeback', 'writethrough', 'directsync', 'unsafe'] as const
export const AIOS = ['threads', 'native', 'io_uring'] as const
export const DISCARDS = ['ignore', 'unmap'] as const
export const DETECT_ZEROES = ['off', 'on', 'unmap'] as const
export const SEEDS = ['nocloud', 'none'] as const
export const ACCELERATORS = ['auto', 'kvm', 'tcg'] as const
export const PACKAGE_SETS = ['minimal', 'minbase', 'debian'] as const
export const HOST_CACHES = ['warm', 'cold'] as const

/** The guest sees a drive's name as serial number, which virtio, ATA and NVMe cut after 20 bytes. */
const MAX_DRIVE_NAME = 20

const PCI = 'the address of a PCI function, such as 0000:01:00.0'

/** qemu refuses more: bps/iops/max values must be within [0, 1000000000000000]. */
const MAX_OPERATIONS = 1_000_000_000

const throttleSchema = z
  .strictObject({
    iops: whole(1, MAX_OPERATIONS).optional().describe('Operations per second, reads and writes'),
    iopsBurst: whole(1, MAX_OPERATIONS).optional().describe('The same in a burst'),
    bytesPerSecond: bytes('512B').optional().describe('Bytes per second, read and written'),
    bytesPerSecondBurst: bytes('512B').optional().describe('The same in a burst'),
    burstLength: seconds('1s', '1h')
      .refine(Number.isInteger, 'whole seconds')
      .optional()
      .describe('How long a burst may last; 1s by default'),
  })
  .refine((limits) => Object.keys(limits).length > 0, 'at least one limit')
  .meta({ minProperties: 1 })

const passthroughSchema = z.strictObject({
  pci: z
    .string(PCI)
    .regex(/^[\da-f]{4}:[\da-f]{2}:[01][\da-f]\.[0-7]$/, PCI)
    .describe('The address of its PCI function, as lspci -D shows it'),
  overwrite: z.string().optional().describe('yes-destroy-ADDRESS: what is on its disk may be lost'),
})

/** One virtual disk. */
export const driveSchema = z
  .strictObject({
    tier: z.string('the name of a tier').optional().describe('The tier that holds the image'),
    passthrough: passthroughSchema
      .optional()
      .describe('Instead of a tier: a disk controller of the host, which the guest gets whole'),
    bus: z.enum(BUSES).default('virtio-blk').describe('The interface that the guest sees'),
    format: z.enum(FORMATS).default('qcow2').describe('Image format'),
    size: bytes('1MiB').optional().describe('Virtual size; a passed-through disk has its own'),
    preallocation: z
      .enum(PREALLOCATIONS)
      .default('off')
      .describe('What of the image is laid out beforehand; metadata is for qcow2'),
    clusterSize: bytes('512B', '2MiB')
      .refine((size) => Number.isInteger(Math.log2(size)), 'a power of two')
      .optional()
      .describe('Of qcow2; 64KiB by default'),
    lazyRefcounts: z.boolean().default(false).describe('Of qcow2: reference counts written late'),
    extendedL2: z.boolean().default(false).describe('Of qcow2: clusters of 32 subclusters'),
    backing: whole(0, 16)
      .default(0)
      .describe(
        'How many images lie under the qcow2 image; the lowest is a full one, vms share them',
      ),
    cache: z.enum(CACHES).default('none').describe("qemu's cache mode"),
    aio: z.enum(AIOS).default('threads').describe('How qemu submits I/O to the host'),
    discard: z
      .enum(DISCARDS)
      .default('ignore')
      .describe("Whether the guest's discards reach the image"),
    detectZeroes: z
      .enum(DETECT_ZEROES)
      .default('off')
      .describe('Whether writes of zeros become something cheaper'),
    iothread: z
      .boolean()
      .default(false)
      .describe('A thread of its own for the drive; of virtio-blk and virtio-scsi'),
    queues: whole(1, 64)
      .optional()
      .describe("Of virtio-blk, virtio-scsi and nvme; qemu's own number by default"),
    throttle: throttleSchema.optional().describe('Limits that qemu keeps'),
  })
  .meta({ oneOf: [{ required: ['tier', 'size'] }, { required: ['passthrough'] }] })

const PHASE = 'the name of a phase: letters, digits, _, . and -'

const balloon = z.strictObject({
  target: bytes('32MiB', '1TiB')
    .optional()
    .describe('What the guest is to be left with; all of its memory by default'),
  at: z
    .string(PHASE)
    .regex(/^[\w.-]{1,64}$/, PHASE)
    .optional()
    .describe('The phase with whose beginning the target is set; from the start by default'),
  freePageReporting: z
    .boolean()
    .default(false)
    .describe('The guest tells of pages that it has freed, and the host takes them back'),
  poll: seconds('1s', '1h')
    .refine(Number.isInteger, 'whole seconds')
    .prefault('2s')
    .describe('How often the guest is asked for its own memory figures, in whole seconds'),
})

const ownKernel = z.strictObject({
  kernel: path.describe('Path of a Linux kernel image'),
  initrd: path.optional().describe('Path of an initial ramdisk'),
  append: z.string().default('').describe('More words for the kernel command line'),
})

const ownImage = z.strictObject({
  image: path.describe('Path of a disk image that a BIOS boots; only read'),
  format: z.enum(FORMATS).default('qcow2').describe('Format of the image'),
  seed: z
    .enum(SEEDS)
    .default('nocloud')
    .describe('nocloud has cloud-init in the image run the workload; none leaves it to the image'),
})

/** A kind of machine; factors name keys in here. */
export const guestSchema = z.strictObject({
  system: z
    .union(
      [z.enum(['appliance', 'debian']), ownKernel, ownImage],
      'appliance, debian, or a mapping with kernel or image',
    )
    .default('appliance')
    .describe('What the vm boots; debian and an image are on the first drive'),
  memory: bytes('32MiB', '1TiB').prefault('192MiB').describe('Guest memory'),
  balloon: balloon
    .optional()
    .describe('A virtio balloon, which can take memory back from the guest'),
  vcpus: whole(1, 64).default(1).describe('Virtual CPUs'),
  accel: z
    .enum(ACCELERATORS)
    .default('auto')
    .describe('auto takes KVM only after a guest has booted on it'),
  deadlines: z
    .strictObject({
      start: seconds('1s').prefault('30s').describe('qemu started to QMP ready'),
      boot: seconds('1s').prefault('2m').describe('vm started to its first phase'),
      phase: seconds('1s').prefault('30m').describe('The longest that any later phase may take'),
    })
    .prefault({})
    .describe('A vm that misses one is ended, with its last console lines in the error'),
  drives: z
    .record(nameOf(MAX_DRIVE_NAME), driveSchema)
    .refine((drives) => Object.keys(drives).length > 0, 'at least one drive')
    .meta({ minProperties: 1 })
    .describe('The virtual disks; a name is also the serial number that the guest sees'),
})

const toSchema = z
  .enum(['filesystem', 'device'])
  .default('filesystem')
  .describe('A file in a new ext2, or the bare disk; on the first drive of a system, its own')
const driveOfWorkload = z.string().optional().describe('The drive; the first one by default')

const packageName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9+.-]+$/, 'the name of a package, such as openssh-server')

const installSchema = z
  .strictObject({
    drive: driveOfWorkload,
    packages: z
      .union(
        [z.enum(PACKAGE_SETS), z.array(packageName).min(1, 'at least one package')],
        'minimal, minbase, debian or a list of packages',
      )
      .optional()
      .describe(
        'What the built-in installer installs: minbase by default; a list is minbase with these; debian boots by itself',
      ),
    kernel: path.optional().describe("Path of the kernel of an installer of one's own"),
    initrd: path.optional().describe('Path of its initial ramdisk'),
    append: z.string().optional().describe('Its kernel command line'),
    files: z
      .record(z.string().regex(/^[\w.-]+$/, 'a plain file name'), path)
      .optional()
      .describe('Files that it finds in the root of its ramdisk, by name: preseed.cfg, ks.cfg'),
    media: path.optional().describe('Path of an ISO image that it finds in the CD drive'),
    iso: path.optional().describe("Path of an ISO image that boots an installer of one's own"),
    done: z
      .enum(['power-off', 'reboot'])
      .optional()
      .describe("How an installer of one's own ends; power-off by default"),
    keep: name
      .optional()
      .describe('Keeps the image of a passed run as STATE/systems/installed/NAME.qcow2'),
  })
  .describe('Installs an operating system onto an empty drive, offline')

const workloads = {
  install: installSchema,
  'boot-write-shutdown': z
    .strictObject({
      write: bytes('512B').prefault('32MiB').describe('How much the guest writes'),
      blockSize: bytes('512B', '1GiB').prefault('64KiB').describe('The size of each write'),
      drive: driveOfWorkload,
      to: toSchema,
      direct: z.boolean().default(false).describe("Past the guest's page cache (O_DIRECT)"),
      settle: seconds().prefault('10s').describe('The wait between the write and the shutdown'),
    })
    .describe('Boots, writes a stretch in order, waits, shuts down'),
  idle: z
    .strictObject({ time: seconds('1s').prefault('60s').describe('How long') })
    .describe('Boots, waits, shuts down'),
  fio: z
    .strictObject({
      job: z
        .string('the path of a fio job file, or its lines')
        .min(1, 'the path of a fio job file, or its lines')
        .describe('A job file: its path, or its lines; it begins in a folder of the drive'),
      drive: driveOfWorkload,
      to: toSchema,
      timeout: seconds('1s').prefault('20m').describe('How long it may take'),
    })
    .describe('Boots, runs fio, keeps its result, shuts down'),
  script: z
    .strictObject({
      file: path.optional().describe('Path of a shell script'),
      run: z
        .string('the lines of a shell script')
        .min(1, 'the lines of a shell script')
        .optional()
        .describe('Lines of a shell script'),
      drive: driveOfWorkload,
      to: toSchema,
      timeout: seconds('1s').prefault('20m').describe('How long it may take'),
    })
    .refine(({ file, run }) => (file === undefined) !== (run === undefined), {
      error: 'exactly one of file and run',
      when: ({ value }) => typeof value === 'object' && value !== null,
    })
    .describe('Boots, runs a shell script, shuts down; exit code 0 is good'),
}

export const WORKLOADS = Object.keys(workloads) as (keyof typeof workloads)[]

const workload = z
  .strictObject(workloads)
  .partial()
  .refine((workload) => Object.keys(workload).length === 1, {
    error: `exactly one of ${WORKLOADS.join(', ').replace(/, (\S+)$/, ' and $1')}`,
    // Neither what is no mapping nor an unknown workload needs a second word.
    when: ({ value, issues }) =>
      z.record(z.string(), z.unknown()).safeParse(value).success &&
      !issues.some(({ code }) => code === 'unrecognized_keys'),
  })
  .meta({ minProperties: 1, maxProperties: 1 })
  .transform((workload): Workload => {
    // Beside an unknown key nothing comes here, and the mistake has been noted.
    const [kind, options] = Object.entries(workload)[0] ?? []
    return { kind, ...options } as Workload
  })

/** One of the workloads with its options. */
type Workload = {
  [Kind in keyof typeof workloads]: { kind: Kind } & z.output<(typeof workloads)[Kind]>
}[keyof typeof workloads]

/** A matrix of factors; some of its keys can be factors themselves (factors.ts). */
export const studySchema = z.strictObject({
  guest: z.string('the name of a guest').describe('The guest that every case starts from'),
  vms: whole(1, 500).default(1).describe('How many vms of it run at once'),
  stagger: seconds()
    .prefault('0s')
    .describe("The pause between the starts of a run's vms; 0s starts all of them at once"),
  hostCache: z
    .enum(HOST_CACHES)
    .default('warm')
    .describe(
      "The host's page cache when the vms start: warm, with all that host-cached drives read in it; cold, emptied (root)",
    ),
  workload: workload.describe('What each vm does'),
  factors: z
    .record(
      z.string(),
      z
        .array(z.union([z.string(), z.number(), z.boolean()], 'text, a number, true or false'))
        .min(1, 'at least one value'),
    )
    .default({})
    .describe(
      'Keys of the guest, or workload, vms, stagger or hostCache, as dotted paths, each with the values to vary it over',
    ),
  blocks: whole(1, 10_000)
    .default(6)
    .describe('How often each case runs, unless the schedule is continuous'),
  pause: seconds().prefault('10s').describe('The rest between two runs'),
  seed: whole(0, 2 ** 31)
    .optional()
    .describe('Of the random order of cases; drawn and recorded by default'),
  schedule: z
    .literal('continuous')
    .optional()
    .describe('Started by serve, block after block, without end'),
})

/** The main config file. */
export const configSchema = z.strictObject({
  state: path.default('.kvmio').describe('Journal, images and sockets; relative to this file'),
  qemu: z
    .strictObject({
      binary: path
        .default('qemu-system-x86_64')
        .describe('A name to be found in PATH, or a path relative to this file'),
      user: whole(1, 2 ** 31)
        .default(61177)
        .describe('The uid that qemu runs as when kvmio is root; it needs no account'),
    })
    .prefault({})
    .describe('The emulator'),
  tiers: z
    .record(name, tierSchema)
    .default({})
    .describe('Classes of storage, each with a capacity'),
  guests: z.record(name, guestSchema).default({}).describe('Kinds of machines'),
  studies: z
    .record(name, studySchema)
    .default({})
    .describe('Matrices of factors, each point measured again and again'),
})

/** A file of studies that uses the tiers and guests of the main config file. */
export const suiteSchema = z.strictObject({ studies: z.record(name, studySchema) })

/** What the file says, with every default filled in: sizes in bytes, durations in seconds. */
export type ConfigFile = z.output<typeof configSchema>
export type TierConfig = ConfigFile['tiers'][string]
export type GuestConfig = ConfigFile['guests'][string]
export type DriveConfig = GuestConfig['drives'][string]
export type BalloonConfig = NonNullable<GuestConfig['balloon']>
export type SystemConfig = GuestConfig['system']
export type StudyConfig = ConfigFile['studies'][string]
export type WorkloadConfig = StudyConfig['workload']
/** What the built-in installer installs; a list is minbase with these packages. */
export type PackageSet = (typeof PACKAGE_SETS)[number] | string[]
