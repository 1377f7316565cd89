import { z } from 'zod'
import { bytes, seconds, whole } from './values.ts'

// One virtual disk of a guest: every key with its rule, its default and what it is for.

export const BUSES = ['virtio-blk', 'virtio-scsi', 'ide', 'sata', 'scsi', 'pvscsi', 'nvme'] as const
export const FORMATS = ['qcow2', 'raw'] as const
export const PREALLOCATIONS = ['off', 'metadata', 'falloc', 'full'] as const
export const CACHES = ['none', 'writeback', 'writethrough', 'directsync', 'unsafe'] as const
export const AIOS = ['threads', 'native', 'io_uring'] as const
export const DISCARDS = ['ignore', 'unmap'] as const
export const DETECT_ZEROES = ['off', 'on', 'unmap'] as const

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

export type DriveConfig = z.output<typeof driveSchema>
