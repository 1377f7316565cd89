import { z } from 'zod'
import { bytes, path, seconds, whole } from './values.ts'

export const FILESYSTEMS = ['ext4', 'ext3', 'ext2', 'xfs', 'btrfs', 'reiserfs'] as const
/** What a tier may be; exactly one of them. */
export const TIER_KINDS = ['directory', 'filesystem', 'volumeGroup', 'device', 'url'] as const

const words = (what: string) => z.array(z.string(what).min(1, what))

const DEVICE = 'the absolute path of a block device, such as /dev/disk/by-id/ata-EXAMPLE'
const device = z.string(DEVICE).regex(/^\/[^\0]+$/, DEVICE)

// lvm(8): letters, digits and + _ . -, no hyphen first; a name with its volume's must keep below the mapper's 127.
const lvmName = (expected: string) =>
  z.string(expected).regex(/^(?!\.{1,2}$)[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]{0,63}$/, expected)

const wholeMilliseconds = (time: number): boolean => {
  const milliseconds = time * 1000
  return milliseconds >= 1 && Math.abs(milliseconds - Math.round(milliseconds)) < 1e-6
}

const filesystem = z.strictObject({
  type: z.enum(FILESYSTEMS).default('ext4').describe('What mkfs makes'),
  size: bytes('16MiB').optional().describe('Size of the loop file under it'),
  device: device.optional().describe('The block device under it, in place of a loop file'),
  mkfs: words('a word of the command line of mkfs')
    .optional()
    .describe('More options of mkfs, word by word: ["-b", "1024"]'),
  mount: words('a mount option')
    .optional()
    .describe('More mount options: ["sync"], ["data=journal", "noatime"]'),
})

const emulate = z.strictObject({
  // nbdkit's delay filter takes 2.5ms as 2ms without a word (measured with nbdkit 1.32).
  // A request that takes longer blocks, uninterruptibly, whoever looks at the device's queue in sysfs.
  serviceTime: seconds('0s', '1s')
    .refine(wholeMilliseconds, 'whole milliseconds, at least 1ms')
    .optional()
    .describe('Whole milliseconds: each request takes this long'),
  // Below that a request of 512 KiB, the largest, would take longer than the longest service time.
  bytesPerSecond: bytes('512KiB')
    .optional()
    .describe('How much it reads in a second at the most, and how much it writes'),
  // FUSE keeps 12 requests under way at the most (fs/fuse/inode.c: FUSE_DEFAULT_MAX_BACKGROUND), some of them waiting:
  // 16 at a time would be ten.
  parallel: whole(1, 8)
    .optional()
    .describe('How many requests it serves at a time; one by default'),
})

const volumeGroup = z.strictObject({
  name: lvmName('the name of an LVM volume group').describe('The volume group, which is there'),
  thinPool: lvmName('the name of a thin pool')
    .optional()
    .describe('A thin pool in it: then volumes are thin, else linear'),
})

/** A class of storage; exactly one of its kinds, which rules.ts sees to. */
export const tierSchema = z
  .strictObject({
    directory: path.optional().describe('A directory that holds the images'),
    filesystem: filesystem
      .optional()
      .describe('A filesystem that kvmio makes, on a loop file in the state directory or a device'),
    volumeGroup: volumeGroup
      .optional()
      .describe('An LVM volume group, with a logical volume for each drive'),
    device: device
      .optional()
      .describe('A disk or a partition, which holds one drive of one vm at a time'),
    url: z
      .string('a URL')
      .optional()
      .describe(
        'What is served over a network: nbd://HOST/EXPORT; {vm} and {drive} stand for names',
      ),
    passwordFile: path.optional().describe("A file with the password of the URL's user"),
    overwrite: z
      .string('text')
      .optional()
      .describe('yes-destroy-NAME, with the last part of its path: what is on the device may go'),
    emulate: emulate.optional().describe('Puts an emulated disk under the filesystem'),
    target: z
      .strictObject({
        latency: seconds('1us').describe('The mean latency that the tier must keep'),
      })
      .optional()
      .describe('What the tier promises to its vms'),
    capacity: z
      .strictObject({
        transactionsPerSecond: z
          .number('a number above 0')
          .positive('a number above 0')
          .describe('Rated: what the tier is said to serve'),
      })
      .optional()
      .describe('What the tier is said to serve, until it has been calibrated'),
  })
  .meta({ oneOf: TIER_KINDS.map((kind) => ({ required: [kind] })) })
