import { access, constants, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KvmioError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { findIoHierarchy } from '../source/cgroup.ts'
import { findFilesystem } from '../source/filesystems.ts'
import { type Finding, tryOut } from './finding.ts'

export interface KernelRoots {
  procRoot: string
  devRoot: string
  /** The kernel's release, as uname -r has it. */
  release: string
}

/** What the kernel has that tiers and attribution stand on. */
export async function examineKernel(
  roots: KernelRoots,
  filesystems: readonly string[],
): Promise<Finding[]> {
  const { procRoot, devRoot } = roots
  const root: Finding = {
    subject: 'root',
    can: process.getuid?.() === 0,
    detail: `runs as uid ${process.getuid?.()}`,
    remedy:
      'as another user, tiers of kind directory work; filesystems, loop devices and cgroups do not',
  }
  return [
    root.can ? { ...root, remedy: undefined } : root,
    await tryOut('loop devices', 'modprobe loop, and run as root', async () => {
      await access(join(devRoot, 'loop-control'), constants.R_OK | constants.W_OK)
      return (await run('losetup', ['--find'])).trim()
    }),
    await tryOut('fuse', 'modprobe fuse, and run as root', async () => {
      await access(join(devRoot, 'fuse'), constants.R_OK | constants.W_OK)
      return '/dev/fuse opens'
    }),
    await tryOut(
      'device mapper',
      'modprobe dm_mod; without it there are no logical volumes',
      async () => {
        const misc = await readFile(join(procRoot, 'misc'), 'utf8')
        if (!/\bdevice-mapper$/m.test(misc)) throw new KvmioError('not in /proc/misc')
        return 'in /proc/misc'
      },
    ),
    await tryOut('I/O cgroups', 'mount cgroup2, or the v1 controller blkio', async () => {
      const hierarchy = await findIoHierarchy(procRoot)
      if (!hierarchy) throw new KvmioError('no hierarchy has an I/O controller')
      await access(hierarchy.root, constants.W_OK)
      return hierarchy.version === 2
        ? `v2 at ${hierarchy.root}`
        : `v1 blkio at ${hierarchy.root}: host-cached writes cannot be attributed`
    }),
    await tryOut('pressure', 'boot with psi=1', async () => {
      await access(join(procRoot, 'pressure/io'))
      return '/proc/pressure/io'
    }),
    ...(await Promise.all(filesystems.map((type) => examineFilesystem(type, roots)))),
  ]
}

async function examineFilesystem(
  type: string,
  { procRoot, release }: KernelRoots,
): Promise<Finding> {
  return await tryOut(
    `filesystem ${type}`,
    `install mkfs.${type}, and a kernel that has ${type}`,
    async () => {
      const found = await findFilesystem(procRoot, release, type)
      if (!found) throw new KvmioError(`this kernel has no ${type}`)
      await run(`mkfs.${type}`, ['-V'], { timeoutMs: 5_000 })
      return found === 'kernel' ? 'in /proc/filesystems' : 'a module of this kernel'
    },
  )
}
