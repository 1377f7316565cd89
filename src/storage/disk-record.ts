import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { FILESYSTEMS } from '../config/tier-schema.ts'
import { codeOf, KvmioError } from '../lib/errors.ts'

const daemon = z.object({ pid: z.int(), startTicks: z.int() })

const diskRecord = z.object({
  type: z.enum(FILESYSTEMS),
  sizeBytes: z.int(),
  /** Of the loop file that kvmio wrote: another one at its place is not ours to overwrite. */
  inode: z.int().optional(),
  /** The block device in place of a loop file, as the config names it. */
  device: z.string().optional(),
  /** Of the filesystem that kvmio made on a device, chosen before mkfs: what has another one is not ours. */
  uuid: z.string().optional(),
  /** The words that the config gave to mkfs. */
  mkfs: z.array(z.string()).optional(),
  /** The options that the config gave to mount. */
  mount: z.array(z.string()).optional(),
  /** Whether mkfs has ended well. */
  made: z.boolean(),
  /** Of the emulated disk, in milliseconds. */
  serviceMs: z.int().optional(),
  /** Of the emulated disk. */
  bytesPerSecond: z.int().optional(),
  /** Of the emulated disk: how many requests at a time, when it is more than one. */
  parallel: z.int().optional(),
  /** What is up now, or was when kvmio was killed. */
  live: z
    .object({
      mountPoint: z.string(),
      /** The emulated disk's, from nbdkit to nbdfuse. */
      socket: z.string().optional(),
      nbdkit: daemon.optional(),
      nbdfuse: daemon.optional(),
      /** The loop device's name. */
      loop: z.string().optional(),
      /** The name of the device that is mounted in place of a loop device. */
      device: z.string().optional(),
    })
    .optional(),
})

/** What kvmio remembers of a tier's disk, in disk.json beside it. */
export type DiskRecord = z.output<typeof diskRecord>

export type DiskFiles = ReturnType<typeof diskFiles>

/** Where the parts of a tier's disk are. */
export function diskFiles(stateDir: string, name: string) {
  const directory = join(stateDir, 'tiers', name)
  return {
    directory,
    record: join(directory, 'disk.json'),
    /** The loop file. */
    image: join(directory, 'disk.img'),
    mountPoint: join(directory, 'mnt'),
    socket: join(directory, 'nbd.sock'),
    nbdkitPid: join(directory, 'nbdkit.pid'),
    nbdfuseLog: join(directory, 'nbdfuse.log'),
    /** nbdfuse's mount point, and the one file in it. */
    fuse: join(directory, 'fuse'),
    exported: join(directory, 'fuse', 'disk'),
  }
}

/** Undefined when there is none. */
export async function readDiskRecord({ record }: DiskFiles): Promise<DiskRecord | undefined> {
  try {
    return parseDiskRecord(await readFile(record, 'utf8'), record)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

export function parseDiskRecord(text: string, file = 'disk.json'): DiskRecord {
  const { data, error } = diskRecord.safeParse(json(text, file))
  if (data) return data
  const { path, message } = error.issues[0]!
  throw new KvmioError(`${file}: ${path.join('.') || 'the whole'}: ${message}`)
}

/** At once or not at all: a kvmio that is killed meanwhile leaves the record before. */
export async function writeDiskRecord(files: DiskFiles, record: DiskRecord): Promise<void> {
  const next = `${files.record}.new`
  await writeFile(next, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 })
  await rename(next, files.record)
}

function json(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new KvmioError(`${file}: expected JSON, got ${JSON.stringify(text.slice(0, 80))}`, {
      cause,
    })
  }
}
