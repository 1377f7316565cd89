import { z } from 'zod'
import { driveSchema, FORMATS } from './drive-schema.ts'
import { tierSchema } from './tier-schema.ts'
import { bytes, name, nameOf, path, seconds, share, whole } from './values.ts'
import { workloadSchema } from './workload-schema.ts'

// Every key of kvmio.yaml with its rule, its default and what it is for; those of tiers, drives and workloads stand in
// files of their own. The JSON schema for editors is made from it
// (npm run snap). Rules that need more than one key stand in rules.ts and study-rules.ts. A message says what is
// expected; problems.ts adds what was found.

export const SEEDS = ['nocloud', 'none'] as const
export const ACCELERATORS = ['auto', 'kvm', 'tcg'] as const
export const HOST_CACHES = ['warm', 'cold'] as const

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
})

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
  workload: workloadSchema.describe('What each vm does'),
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
  neighbours: share('0.1%', '100%')
    .optional()
    .describe(
      "How much others may do on a tier's device beside a run, as a share of what the run does; above it the run is void. Not looked at by default",
    ),
  tries: whole(1, 20)
    .default(3)
    .describe('How often a run of a case is begun at the most when it turns out void'),
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
export type BalloonConfig = NonNullable<GuestConfig['balloon']>
export type SystemConfig = GuestConfig['system']
export type StudyConfig = ConfigFile['studies'][string]
