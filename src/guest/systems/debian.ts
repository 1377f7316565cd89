// The built-in guest system `debian`: a disk image that a BIOS boots by GRUB to systemd's multi-user.target.
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DEBIAN_BYTES } from '../../config/system-rules.ts'
import type { Log } from '../../lib/log.ts'
import { run } from '../../lib/process.ts'
import { builtInAgentFiles } from './agent-files.ts'
import { DRIVERS } from './kernel-modules.ts'
import type { Mirror } from './mirror.ts'
import { buildFromTree, packExt4 } from './root-filesystem.ts'
import type { RootFile, RootRecipe } from './root-tree.ts'

export interface DebianOptions {
  /** Keeps the packages, and each image that was made of them. */
  cacheDir: string
  log: Log
  signal?: AbortSignal
}

export interface DebianSystem {
  /** Path of the disk image, raw; a base to be read and never written. */
  image: string
  /** Seconds that it took to build; 0 when it was there. */
  builtIn: number
}

const LABEL = 'kvmio-root'
const SECTOR_BYTES = 512
/** Where every partitioning tool puts the first partition: GRUB's core image fits in front of it. */
const PARTITION_SECTOR = 2048
const PARTITION_TABLE = 446
const LINUX = 0x83
const ACTIVE = 0x80

const KERNELS = { debian: 'linux-image-amd64', ubuntu: 'linux-image-generic' }
const PACKAGES = ['systemd-sysv', 'udev', 'grub-pc-bin']
/** What its GRUB is made of. */
export const GRUB_MODULES =
  'biosdisk part_msdos ext2 normal linux serial terminal echo test minicmd'

// A guest has disks, serial ports and a balloon; 340 of the kernel's 395 MB of modules are for other things.
const UNUSED_MODULES = [
  ...['drivers/gpu', 'drivers/net', 'drivers/media', 'drivers/infiniband', 'drivers/usb'],
  ...['drivers/iio', 'drivers/staging', 'drivers/isdn', 'drivers/input', 'drivers/hid'],
  ...['drivers/hwmon', 'drivers/platform', 'drivers/edac', 'drivers/comedi', 'sound', 'net'],
]
const EXCLUDES = [
  ...['doc', 'man', 'locale', 'info', 'lintian', 'bash-completion', 'zoneinfo'].map(
    (folder) => `/usr/share/${folder}/*`,
  ),
  ...UNUSED_MODULES.map((folder) => `*/kernel/${folder}/*`),
]

// The appliance's words that the machine needs, see appliance-append.ts; of the rest Debian keeps its own.
const KERNEL_WORDS = `root=LABEL=${LABEL} ro console=ttyS0 quiet tsc=unstable no_timer_check`

/** Gives the system, and builds it first where it is not in the cache or is another. */
export async function buildDebian(options: DebianOptions): Promise<DebianSystem> {
  const agent = await builtInAgentFiles()
  return await buildDisk(options, 'debian', { packages: ['busybox-static', 'fio'], files: agent })
}

/** The same image with other packages and files on the way to multi-user.target. */
export async function buildDisk(
  options: DebianOptions,
  name: string,
  { packages, files }: { packages: readonly string[]; files: readonly RootFile[] },
): Promise<DebianSystem> {
  const { signal } = options
  const recipe = (mirror: Mirror) => diskRecipe(mirror, packages, files)
  const { directory, builtIn } = await buildFromTree(
    { ...options, name, recipe },
    [DEBIAN_BYTES, GRUB_MODULES],
    async (tree, made) => {
      const image = join(made, 'disk.img')
      await packExt4({
        tree,
        image,
        sizeBytes: DEBIAN_BYTES - PARTITION_SECTOR * SECTOR_BYTES,
        label: LABEL,
        offsetBytes: PARTITION_SECTOR * SECTOR_BYTES,
        signal,
      })
      await writeBootSectors(image, tree, signal)
    },
  )
  return { image: join(directory, 'disk.img'), builtIn }
}

/** What such a system is made of, whoever installs it. */
export function diskRecipe(
  { distribution }: Mirror,
  packages: readonly string[],
  files: readonly RootFile[],
): RootRecipe {
  return {
    packages: [...PACKAGES, KERNELS[distribution], ...packages],
    excludes: EXCLUDES,
    before: [
      // Every bus' driver and no more: most of the 36 MB that initramfs-tools would take are for hardware.
      { path: 'etc/initramfs-tools/conf.d/kvmio', content: 'MODULES=list\nCOMPRESS=gzip\n' },
      { path: 'etc/initramfs-tools/modules', content: modulesList() },
    ],
    after: [
      { path: 'etc/fstab', content: `LABEL=${LABEL} / ext4 defaults,errors=remount-ro 0 0\n` },
      { path: 'etc/hostname', content: 'debian\n' },
      // Else each boot is a first boot, which makes one and sets all units to their presets.
      { path: 'etc/machine-id', content: `${Buffer.from('kvmio-debian-img').toString('hex')}\n` },
      {
        path: 'etc/systemd/system/default.target',
        target: '/lib/systemd/system/multi-user.target',
      },
      ...MASKED.map((unit) => ({ path: `etc/systemd/system/${unit}`, target: '/dev/null' })),
      { path: 'boot/grub/grub.cfg', content: GRUB_CONFIG },
      ...files,
    ],
  }
}

// Timers that would write when they like, consoles for a person whom nobody has given a password, and what serves nobody
// here and costs a process at each boot, up to half a second under TCG.
const MASKED = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'systemd-tmpfiles-clean.timer',
  'getty.target',
  'serial-getty@ttyS0.service',
  'dev-hugepages.mount',
  'dev-mqueue.mount',
  'sys-kernel-config.mount',
  'sys-kernel-debug.mount',
  'sys-kernel-tracing.mount',
  'sys-fs-fuse-connections.mount',
  'modprobe@.service',
  'systemd-sysusers.service',
  'systemd-update-utmp.service',
  'systemd-update-utmp-runlevel.service',
]

const GRUB_CONFIG = `serial --unit=0 --speed=115200
terminal_output serial
set timeout=0
linux /vmlinuz ${KERNEL_WORDS}
initrd /initrd.img
boot
`

function modulesList(): string {
  const names = Object.entries(DRIVERS).flatMap(([driver, needed]) => [...needed, driver])
  return `${names.join('\n')}\n`
}

/** GRUB between the master boot record and the first partition, as grub-install puts it: boot.img knows sector 1. */
async function writeBootSectors(image: string, tree: string, signal?: AbortSignal): Promise<void> {
  const core = '/boot/grub/core.img'
  const grub = ['grub-mkimage', '-O', 'i386-pc', '-o', core, '-p', '(,msdos1)/boot/grub']
  await run('chroot', [tree, ...grub, ...GRUB_MODULES.split(' ')], { name: 'grub-mkimage', signal })
  const boot = Buffer.from(await readFile(join(tree, 'usr/lib/grub/i386-pc/boot.img')))
  boot.set(partitionTable(), PARTITION_TABLE)
  boot.writeUInt16LE(0xaa55, SECTOR_BYTES - 2)
  await using file = await open(image, 'r+')
  await file.write(boot, 0, SECTOR_BYTES, 0)
  await file.write(await readFile(join(tree, core)), { position: SECTOR_BYTES })
}

/** One partition up to the end; boot.img has code for floppy disks in the entries of the others. */
function partitionTable(): Buffer {
  const table = Buffer.alloc(4 * 16)
  // The CHS fields say that they are not used.
  table.set([ACTIVE, 0xfe, 0xff, 0xff, LINUX, 0xfe, 0xff, 0xff])
  table.writeUInt32LE(PARTITION_SECTOR, 8)
  table.writeUInt32LE(DEBIAN_BYTES / SECTOR_BYTES - PARTITION_SECTOR, 12)
  return table
}
