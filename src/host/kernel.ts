import { access, constants, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KvmioError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { findIoHierarchy } from '../source/cgroup.ts'
import { findFilesystem } from '../source/filesystems.ts'
import { type Probe, TRIAL_MS } from './finding.ts'

export interface KernelRoots {
  procRoot: string
  devRoot: string
  /** The kernel's release, as uname -r has it. */
  release: string
}

const CAP_SYS_ADMIN = 21n // include/uapi/linux/capability.h

/** What the kernel has that tiers and attribution stand on. */
export function kernelProbes(roots: KernelRoots, filesystems: readonly string[]): Probe[] {
  const { procRoot, devRoot } = roots
  const probe = (subject: string, remedy: string, trial: () => Promise<string>): Probe => ({
    group: 'host',
    subject,
    remedy,
    trial,
  })
  return [
    probe(
      'root',
      'as another user, tiers of kind directory work; filesystems, loop devices and cgroups do not',
      async () => {
        const runsAs = `runs as uid ${process.getuid?.()}`
        if (process.getuid?.() !== 0) throw new KvmioError(runsAs)
        return runsAs
      },
    ),
    probe('mounts', 'run as root, in a container with CAP_SYS_ADMIN', async () => {
      const status = await readFile(join(procRoot, 'self/status'), 'utf8')
      const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
      if (((capabilities >> CAP_SYS_ADMIN) & 1n) === 0n)
        throw new KvmioError('this process may not mount: it has no CAP_SYS_ADMIN')
      return 'CAP_SYS_ADMIN'
    }),
    probe('loop devices', 'modprobe loop, and run as root', async () => {
      await access(join(devRoot, 'loop-control'), constants.R_OK | constants.W_OK)
      return (await run('losetup', ['--find'], { timeoutMs: TRIAL_MS })).trim()
    }),
    probe('fuse', 'modprobe fuse, and run as root', async () => {
      await access(join(devRoot, 'fuse'), constants.R_OK | constants.W_OK)
      return '/dev/fuse opens'
    }),
    probe('device mapper', 'modprobe dm_mod; without it there are no logical volumes', async () => {
      const misc = await readFile(join(procRoot, 'misc'), 'utf8')
      if (!/\bdevice-mapper$/m.test(misc)) throw new KvmioError('not in /proc/misc')
      return 'in /proc/misc'
    }),
    probe('I/O cgroups', 'mount cgroup2, or the v1 controller blkio', async () => {
      const hierarchy = await findIoHierarchy(procRoot)
      if (!hierarchy) throw new KvmioError('no hierarchy has an I/O controller')
      await access(hierarchy.root, constants.W_OK)
      return hierarchy.version === 2
        ? `v2 at ${hierarchy.root}`
        : `v1 blkio at ${hierarchy.root}: host-cached writes cannot be attributed`
    }),
    probe('pressure', 'boot with psi=1', async () => {
      await access(join(procRoot, 'pressure/io'))
      return '/proc/pressure/io'
    }),
    ...filesystems.map((type) => filesystemProbe(type, roots)),
  ]
}

function filesystemProbe(type: string, { procRoot, release }: KernelRoots): Probe {
  return {
    group: 'filesystem',
    subject: `filesystem ${type}`,
    remedy: `install mkfs.${type}, and a kernel that has ${type}`,
    async trial() {
      const found = await findFilesystem(procRoot, release, type)
      if (!found) throw new KvmioError(`this kernel has no ${type}`)
      await run(`mkfs.${type}`, ['-V'], { timeoutMs: TRIAL_MS })
      return found === 'kernel' ? 'in /proc/filesystems' : 'a module of this kernel'
    },
  }
}
