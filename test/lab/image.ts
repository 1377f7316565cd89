// The lab host's disk, kernel and drivers: Debian 12 by debootstrap, with what the parts of the suite need.
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildInitramfs } from '../../src/guest/systems/initramfs.ts'
import { unpackKernel } from '../../src/guest/systems/kernel-image.ts'
import { codeOf, UnavailableError } from '../../src/lib/errors.ts'
import type { Log } from '../../src/lib/log.ts'
import { run } from '../../src/lib/process.ts'

// Debian 12 whatever this host is: its kernel 6.1 still has reiserfs, which Linux 6.13 dropped.
const SUITE = 'bookworm'
const MIRROR = 'http://deb.debian.org/debian'
const PACKAGES = [
  'linux-image-amd64',
  'udev',
  'kmod',
  'procps',
  'iproute2',
  'busybox-static',
  'e2fsprogs',
  'xfsprogs',
  'reiserfsprogs',
  'lvm2',
  'thin-provisioning-tools',
  'nfs-common',
  'nfs-kernel-server',
  'qemu-system-x86',
  'qemu-utils',
  'nbdkit',
  'libnbd-bin',
  'sysstat',
  'fio',
  'cpio',
  'xz-utils',
]
// Most of what a kernel's modules weigh, and nothing of it in this machine.
const NEEDLESS_MODULES = [
  'drivers/gpu',
  'drivers/media',
  'drivers/net',
  'drivers/infiniband',
  'sound',
]
const DISK_SIZE = '4G'
const DEBOOTSTRAP_MS = 900_000

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
  const start = performance.now()
  const directory = join(cacheDir, `host-${contentKey()}`)
  if (await isThere(directory)) return { ...files(directory), builtIn: 0 }
  if (process.geteuid?.() !== 0) {
    throw new UnavailableError(
      'the lab host can only be built by root: debootstrap makes devices and changes root',
    )
  }
  log.info({ cacheDir }, 'building the lab host: two minutes, once')
  await mkdir(join(cacheDir, 'packages'), { recursive: true })
  const work = await mkdtemp(join(cacheDir, 'building-'))
  try {
    await build(work, join(cacheDir, 'packages'), log, signal)
    await rename(join(work, 'made'), directory)
    return { ...files(directory), builtIn: (performance.now() - start) / 1000 }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

function files(directory: string) {
  const path = (name: string) => join(directory, name)
  return { disk: path('disk.img'), kernel: path('kernel'), initrd: path('initrd.img') }
}

async function build(work: string, packages: string, log: Log, signal: AbortSignal): Promise<void> {
  const root = join(work, 'root')
  // In a mount and pid namespace of its own: what it mounts and starts ends with it, however it ends.
  const debootstrap = [
    ...['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--mount-proc'],
    ...['debootstrap', '--variant=minbase', `--cache-dir=${packages}`],
    ...[`--include=${PACKAGES.join(',')}`, SUITE, root, MIRROR],
  ]
  await run('unshare', debootstrap, { name: 'debootstrap', timeoutMs: DEBOOTSTRAP_MS, signal })
  await rm(join(root, 'var/cache/apt/archives'), { recursive: true })

  const [release = ''] = await readdir(join(root, 'lib/modules'))
  const modules = join(root, 'lib/modules', release)
  const kernel = join(root, 'boot', `vmlinuz-${release}`)
  const made = join(work, 'made')
  const output = files(made)
  await mkdir(made)
  const system = { release, kernel, modules, busybox: join(root, 'bin/busybox') }
  await buildInitramfs({
    system,
    initScript: new Uint8Array(),
    work,
    output: output.initrd,
    log,
    signal,
  })
  await writeFile(
    output.kernel,
    (await unpackKernel(kernel, work, signal)) ?? (await readFile(kernel)),
  )

  for (const folder of NEEDLESS_MODULES) {
    await rm(join(modules, 'kernel', folder), { recursive: true, force: true })
  }
  await run('chroot', [root, 'depmod', release], { signal })
  await rm(join(root, 'boot'), { recursive: true })
  await writeFile(join(root, 'etc/fstab'), '')
  const mkfs = ['-q', '-F', '-d', root, '-E', 'lazy_itable_init=1', output.disk, DISK_SIZE]
  await run('mkfs.ext4', mkfs, { signal })
}

function contentKey(): string {
  const content = JSON.stringify([SUITE, PACKAGES, NEEDLESS_MODULES, DISK_SIZE])
  return createHash('sha256').update(content).digest('hex').slice(0, 16)
}

async function isThere(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).length > 0
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}
