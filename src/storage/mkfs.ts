import { realpath } from 'node:fs/promises'
import type { TierConfig } from '../config/schema.ts'
import { messageOf } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { readMounts } from '../source/mounts.ts'

export type FilesystemType = NonNullable<TierConfig['filesystem']>['type']

export interface MkfsOptions {
  type: FilesystemType
  /** The tier's name, of which the label is made. */
  name: string
  /** More of its words, from the config. */
  words: readonly string[]
  /** Chosen by whoever wants to know the filesystem again. */
  uuid?: string
  /** The file or the device. */
  path: string
}

/** Makes a filesystem in place of whatever is there; whether that is in use is the caller's to know. */
export async function makeFilesystem(options: MkfsOptions, signal?: AbortSignal): Promise<void> {
  const program = `mkfs.${options.type}`
  try {
    await run(program, mkfsArgs(options), { signal })
  } catch (error) {
    if (!messageOf(error).includes('cannot check mount status')) throw error
    await makeOutOfSight(program, options, signal)
  }
}

// mkfs.btrfs (6.2) looks at the file under each mounted loop device and fails when one of them does not answer (ENOTCONN of
// an emulated disk whose server was killed), whatever it is that it makes.
async function makeOutOfSight(
  program: string,
  options: MkfsOptions,
  signal?: AbortSignal,
): Promise<void> {
  const path = await realpath(options.path)
  const mounts = await readMounts('/proc')
  const hidden = mounts.flatMap(({ source, mountPoint }) => {
    const holdsIt = path.startsWith(mountPoint.replace(/\/?$/, '/'))
    return source.startsWith('/dev/loop') && !holdsIt ? [mountPoint] : []
  })
  const words = [...hidden, '--', program, ...mkfsArgs(options)]
  await run('unshare', ['--mount', 'sh', '-c', HIDE, 'sh', ...words], { name: program, signal })
}

// In a mount namespace of its own: nothing is unmounted for anybody else.
const HIDE =
  'while [ "$1" != -- ]; do umount --lazy --no-canonicalize "$1" || exit; shift; done; shift; exec "$@"'

/** The filesystem's label: kvmio-NAME, cut to what its kind can hold. */
export function labelOf(type: FilesystemType, name: string): string {
  return `kvmio-${name}`.slice(0, LABEL_BYTES[type])
}

// ext2(5), xfs_admin(8), btrfs-filesystem(8), reiserfstune(8)
const LABEL_BYTES = { ext2: 16, ext3: 16, ext4: 16, xfs: 12, btrfs: 255, reiserfs: 16 }

// With lazy initialisation a kernel thread writes tables for minutes after the mount, into the middle of measurements.
const LAZY_OFF = 'lazy_itable_init=0,lazy_journal_init=0,nodiscard'

/** The words of mkfs.TYPE. */
export function mkfsArgs({ type, name, words, uuid, path }: MkfsOptions): string[] {
  const label = labelOf(type, name)
  switch (type) {
    case 'xfs': {
      const id = uuid === undefined ? [] : ['-m', `uuid=${uuid}`]
      return ['-q', '-f', '-K', '-L', label, ...id, ...words, path]
    }
    case 'btrfs': {
      const id = uuid === undefined ? [] : ['-U', uuid]
      return ['-q', '-f', '-K', '-L', label, ...id, ...words, path]
    }
    case 'reiserfs': {
      // The second f is for its question; it asks that even when nothing is there.
      const id = uuid === undefined ? [] : ['-u', uuid]
      return ['-q', '-f', '-f', '-l', label, ...id, ...words, path]
    }
    default: {
      // Of two -E the last one counts, so that the config's goes into kvmio's.
      const extended = words.flatMap((word, at) => (words[at - 1] === '-E' ? [word] : []))
      const others = words.filter((word, at) => word !== '-E' && words[at - 1] !== '-E')
      const id = uuid === undefined ? [] : ['-U', uuid]
      const all = [LAZY_OFF, ...extended].join(',')
      return ['-q', '-F', '-E', all, '-L', label, ...id, ...others, path]
    }
  }
}
