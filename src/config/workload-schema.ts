import { z } from 'zod'
import { bytes, name, path, seconds } from './values.ts'

// What the vms of a study do: every key with its rule, its default and what it is for.

export const PACKAGE_SETS = ['minimal', 'minbase', 'debian'] as const

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

/** What each vm of a study does; exactly one of its keys. */
export const workloadSchema = z
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
  .transform((workload): WorkloadConfig => {
    // Beside an unknown key nothing comes here, and the mistake has been noted.
    const [kind, options] = Object.entries(workload)[0] ?? []
    return { kind, ...options } as WorkloadConfig
  })

/** One of the workloads with its options. */
export type WorkloadConfig = {
  [Kind in keyof typeof workloads]: { kind: Kind } & z.output<(typeof workloads)[Kind]>
}[keyof typeof workloads]

/** What the built-in installer installs; a list is minbase with these packages. */
export type PackageSet = (typeof PACKAGE_SETS)[number] | string[]
