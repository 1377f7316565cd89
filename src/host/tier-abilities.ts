import { KvmioError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { type Probe, TRIAL_MS } from './finding.ts'
import type { Probing } from './probing.ts'

/** A program that must start, with the words that make it say its version and end. */
type Program = readonly [name: string, ...args: string[]]

interface Kind {
  subject: string
  /** What must be found of the host before. */
  needs: readonly string[]
  programs: readonly Program[]
  remedy: string
}

const KINDS: readonly Kind[] = [
  { subject: 'tier directory', needs: [], programs: [], remedy: '' },
  {
    subject: 'tier filesystem',
    needs: ['root', 'mounts'],
    programs: [['mount', '--version']],
    remedy: 'run as root, in a mount namespace that may mount',
  },
  {
    subject: 'tier volumeGroup',
    needs: ['root', 'device mapper'],
    programs: [
      ['lvs', '--version'],
      ['lvcreate', '--version'],
    ],
    remedy: 'apt install lvm2, a kernel with the device mapper, and run as root',
  },
  {
    subject: 'tier device',
    needs: ['root'],
    programs: [['wipefs', '--version']],
    remedy: 'apt install util-linux, and run as root',
  },
  {
    subject: 'tier emulate',
    needs: ['root', 'mounts', 'loop devices', 'fuse'],
    programs: [
      ['nbdkit', '--version'],
      ['nbdkit', '--filter=noparallel', '--filter=delay', 'null', '--dump-plugin'],
      ['nbdfuse', '--version'],
    ],
    remedy: 'apt install nbdkit libnbd-bin, a kernel with loop devices and fuse, and run as root',
  },
]

/** Which kinds of tiers can be had; `probing` answers for what they stand on. */
export function tierProbes(probing: () => Probing): Probe[] {
  return KINDS.map(({ subject, needs, programs, remedy }) => ({
    group: 'tier',
    subject,
    remedy,
    async trial() {
      for (const need of needs) {
        const finding = await probing().find(need)
        if (finding && !finding.can) throw new KvmioError(`${need}: ${finding.detail}`)
      }
      for (const [name, ...args] of programs) await run(name, args, { timeoutMs: TRIAL_MS })
      const names = [...new Set(programs.map(([name]) => name))]
      return [...needs, ...names].join(', ') || 'needs no more than a right to write'
    },
  }))
}
