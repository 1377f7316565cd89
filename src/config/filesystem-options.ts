import { choice } from './problems.ts'
import type { TierConfig } from './schema.ts'

type FilesystemType = NonNullable<TierConfig['filesystem']>['type']

// What changes how a filesystem works, and neither where it is made nor what kvmio sets itself: label, UUID, force.
// mke2fs(8), mkfs.xfs(8), mkfs.btrfs(8), mkreiserfs(8)
const EXT = {
  flags: ['-D', '-j'],
  valued: ['-b', '-C', '-E', '-G', '-g', '-I', '-i', '-J', '-m', '-N', '-O', '-r', '-T'],
}
const MKFS: Record<FilesystemType, { flags: string[]; valued: string[] }> = {
  ext2: EXT,
  ext3: EXT,
  ext4: EXT,
  xfs: { flags: [], valued: ['-b', '-d', '-i', '-l', '-m', '-n', '-s'] },
  btrfs: {
    flags: ['-M'],
    valued: ['--csum', '-A', '-O', '-R', '-d', '-m', '-n', '-s'],
  },
  reiserfs: { flags: [], valued: ['-b', '-h', '-o', '-s', '-t', '--format'] },
}

// A value that names a device or a file, of kvmio's or not; and what kvmio says itself.
const FOREIGN = /\/|(^|,)(device|dev|logdev|rtdev|name|file|uuid)=/i

/** What is wrong with one of the words for mkfs, and which one; undefined when nothing is. */
export function mkfsProblem(
  type: FilesystemType,
  words: readonly (string | undefined)[],
): { index: number; message: string } | undefined {
  const { flags, valued } = MKFS[type]
  for (let index = 0; index < words.length; index++) {
    const word = words[index]
    if (word === undefined) return undefined // said already
    if (flags.includes(word)) continue
    if (!valued.includes(word)) {
      const known = choice([...valued, ...flags])
      return { index, message: `expected an option of mkfs.${type}: ${known}, got ${quoted(word)}` }
    }
    if (index + 1 === words.length) {
      return { index, message: `expected a value after ${word}, got nothing` }
    }
    const value = words[++index]
    if (value === undefined) return undefined
    if (value.startsWith('-') || FOREIGN.test(value) || !/^[\x21-\x7e]+$/.test(value)) {
      const message = `expected a value of ${word} that names no file or device, got ${quoted(value)}`
      return { index, message }
    }
  }
  return undefined
}

// They would make the mount another one than kvmio's, hide it, or put part of it elsewhere.
const OWN_MOUNT =
  /^(ro|rw|loop|offset|sizelimit|(r?(bind|private|shared|slave|unbindable))|move|remount|defaults|(no)?(dev|suid|exec)|(no)?(user|users|owner|group|auto)|nofail|_netdev|comment|context|fscontext|defcontext|rootcontext|noload|norecovery|device|degraded|subvol|subvolid|logdev|rtdev|jdev|jqfmt|usrjquota|grpjquota|journal_dev|journal_path|[xX]-.*)$/

/** What is wrong with a mount option; undefined when nothing is. */
export function mountProblem(option: string): string | undefined {
  if (!/^[a-z0-9_.-]+(=[^\s,"'\\/]+)?$/i.test(option)) {
    return `expected one mount option, such as noatime or data=journal, got ${quoted(option)}`
  }
  const [name = ''] = option.split('=')
  return OWN_MOUNT.test(name)
    ? `expected a mount option that leaves to kvmio what it mounts and where, got ${quoted(option)}`
    : undefined
}

function quoted(text: string): string {
  return JSON.stringify(text)
}
