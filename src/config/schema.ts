import { z } from 'zod'
import { demandSchema, densitySchema } from './density-schema.ts'
import { driveSchema, FORMATS } from './drive-schema.ts'
import { freeSpaceFloorSchema, retentionSchema } from './keeping-schema.ts'
import { studiesSchema } from './study-schema.ts'
import { tierSchema } from './tier-schema.ts'
import { bytes, name, nameOf, path, seconds, whole } from './values.ts'

// Every key of kvmio.yaml with its rule, its default and what it is for; those of tiers, drives, workloads and studies
// stand in files of their own. The JSON schema for editors is made from it
// (npm run snap). Rules that need more than one key stand in rules.ts and study-rules.ts. A message says what is
// expected; problems.ts adds what was found.

export const SEEDS = ['nocloud', 'none'] as const
export const ACCELERATORS = ['auto', 'kvm', 'tcg'] as const

/** The guest sees a drive's name as serial number, which virtio, ATA and NVMe cut after 20 bytes. */
const MAX_DRIVE_NAME = 20

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
  demand: demandSchema
    .optional()
    .describe('What one vm asks, as far as it is known; kvmio learns the rest from runs'),
})

const SOCKETS = 'a path with {vm} in it, or a mapping from names of vms to paths'

const discovery = z.strictObject({
  qemu: z
    .boolean('true or false')
    .default(false)
    .describe(
      'Whether the vms of this host that kvmio did not start are found: those of libvirt, of Proxmox, and of people',
    ),
  qmp: z
    .union([z.string().regex(/^[^\0]*\{vm\}[^\0]*$/, SOCKETS), z.record(z.string(), path)], SOCKETS)
    .optional()
    .describe(
      'A QMP socket of each vm that nobody else is connected to, for the figures of its drives: a path in which {vm} stands for the name, or paths by name; only queries are sent to it',
    ),
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
  retention: retentionSchema.prefault({}).describe('How long what is large is kept'),
  freeSpaceFloor: freeSpaceFloorSchema,
  discovery: discovery
    .prefault({})
    .describe('Vms that kvmio did not start; they are only looked at'),
  density: densitySchema
    .prefault({})
    .describe('How careful kvmio is when it says how many vms fit'),
  tiers: z
    .record(name, tierSchema)
    .default({})
    .describe('Classes of storage, each with a capacity'),
  guests: z.record(name, guestSchema).default({}).describe('Kinds of machines'),
  studies: studiesSchema
    .default({})
    .describe('Matrices of factors, each point measured again and again'),
})

/** What the file says, with every default filled in: sizes in bytes, durations in seconds. */
export type ConfigFile = z.output<typeof configSchema>
export type TierConfig = ConfigFile['tiers'][string]
export type GuestConfig = ConfigFile['guests'][string]
export type BalloonConfig = NonNullable<GuestConfig['balloon']>
export type SystemConfig = GuestConfig['system']
export type StudyConfig = ConfigFile['studies'][string]
