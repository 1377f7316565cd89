// The lab host's disk, kernel and drivers: this host's own distribution, with what the parts of the suite need.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildInitramfs } from '../../src/guest/systems/initramfs.ts'
import { unpackKernel } from '../../src/guest/systems/kernel-image.ts'
import type { Mirror } from '../../src/guest/systems/mirror.ts'
import { buildFromTree, packExt4 } from '../../src/guest/systems/root-filesystem.ts'
import type { RootRecipe } from '../../src/guest/systems/root-tree.ts'
import type { Log } from '../../src/lib/log.ts'
import { run } from '../../src/lib/process.ts'

const KERNELS = { debian: 'linux-image-amd64', ubuntu: 'linux-image-generic' }
const PACKAGES = [
  ...['udev', 'kmod', 'procps', 'iproute2', 'busybox-static', 'cpio', 'xz-utils'],
  ...['e2fsprogs', 'xfsprogs', 'btrfs-progs', 'reiserfsprogs', 'lvm2', 'thin-provisioning-tools'],
  ...['nfs-common', 'nfs-kernel-server', 'nbdkit', 'libnbd-bin', 'sysstat', 'fio'],
  ...['qemu-system-x86', 'qemu-utils'],
]
// Documentation, and most of what a kernel's modules weigh: nothing of it is in this machine.
const EXCLUDES = [
  '/usr/share/doc/*',
  '/usr/share/man/*',
  '/usr/share/locale/*',
  ...['drivers/gpu', 'drivers/media', 'drivers/net', 'drivers/infiniband', 'sound'].map(
    (folder) => `/lib/modules/*/kernel/${folder}/*`,
  ),
]
const DISK_BYTES = 4 * 2 ** 30
const BUILDER = 1

export interface LabImage {
  /** A raw ext4 filesystem. */
  disk: string
  kernel: string
  /** Of the drivers for the disk, without an /init. */
  initrd: string
  /** Seconds that it took to build; 0 when it was there. */
  builtIn: number
}

/** Gives the image, and builds it first unless the cache holds one of the same packages. */
export async function buildLabImage(
  cacheDir: string,
  log: Log,
  signal: AbortSignal,
): Promise<LabImage> {
  await mkdir(cacheDir, { recursive: true })
  const options = { cacheDir, name: 'host', recipe, log, signal }
  const { directory, builtIn } = await buildFromTree(options, [BUILDER, DISK_BYTES], make)
  return { ...files(directory), builtIn }

  async function make(tree: string, made: string, work: string): Promise<void> {
    const output = files(made)
    const [release = ''] = await readdir(join(tree, 'lib/modules'))
    const kernel = join(tree, 'boot', `vmlinuz-${release}`)
    const modules = join(tree, 'lib/modules', release)
    const system = { release, kernel, modules, busybox: join(tree, 'bin/busybox') }
    const scripts = {} // each boot brings its own
    await buildInitramfs({ system, scripts, work, output: output.initrd, log, signal })
    const unpacked = await unpackKernel(kernel, work, signal)
    await writeFile(output.kernel, unpacked ?? (await readFile(kernel)))
    await run('chroot', [tree, 'depmod', release], { signal })
    await rm(join(tree, 'boot'), { recursive: true })
    const disk = { tree, image: output.disk, sizeBytes: DISK_BYTES, label: 'lab', signal }
    await packExt4(disk)
  }
}

function recipe({ distribution }: Mirror): RootRecipe {
  return {
    packages: [KERNELS[distribution], ...PACKAGES],
    excludes: EXCLUDES,
    before: [],
    after: [],
  }
}

function files(directory: string) {
  const path = (name: string) => join(directory, name)
  return { disk: path('disk.img'), kernel: path('kernel'), initrd: path('initrd.img') }
}
