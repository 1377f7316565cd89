import { access, constants } from 'node:fs/promises'
import { join } from 'node:path'

// Debian's and Ubuntu's names.
const PACKAGES: Record<string, string> = {
  'mkfs.ext2': 'e2fsprogs',
  'mkfs.ext3': 'e2fsprogs',
  'mkfs.ext4': 'e2fsprogs',
  'mkfs.xfs': 'xfsprogs',
  'mkfs.btrfs': 'btrfs-progs',
  'mkfs.reiserfs': 'reiserfsprogs',
  lvcreate: 'lvm2',
  lvremove: 'lvm2',
  lvs: 'lvm2',
  vgs: 'lvm2',
  losetup: 'mount',
  mount: 'mount',
  umount: 'mount',
  setpriv: 'util-linux',
  setsid: 'util-linux',
  wipefs: 'util-linux',
  nbdkit: 'nbdkit',
  nbdfuse: 'libnbd-bin',
  'qemu-img': 'qemu-utils',
}

/** Which of these programs are not on the PATH, and what to install; undefined when all are there. */
export async function missingPrograms(
  names: readonly string[],
  path = process.env.PATH ?? '',
): Promise<string | undefined> {
  const found = await Promise.all(names.map((name) => isInstalled(name, path)))
  const missing = names.filter((_, index) => !found[index])
  if (missing.length === 0) return undefined
  const packages = [...new Set(missing.map((name) => PACKAGES[name] ?? name))]
  const are = missing.length === 1 ? 'is' : 'are'
  return `${missing.join(' and ')} ${are} not installed: apt install ${packages.join(' ')}`
}

async function isInstalled(name: string, path: string): Promise<boolean> {
  for (const directory of path.split(':').filter(Boolean)) {
    try {
      await access(join(directory, name), constants.X_OK)
      return true
    } catch {} // in another directory, then
  }
  return false
}
