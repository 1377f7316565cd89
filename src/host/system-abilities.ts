import { readdir } from 'node:fs/promises'
import { KvmioError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { type Probe, TRIAL_MS } from './finding.ts'

type Program = readonly [name: string, ...args: string[]]

const APPLIANCE: readonly Program[] = [
  ['apt-get', '--version'],
  ['dpkg', '--version'],
  ['cpio', '--version'],
  ['xz', '--version'],
]
const DEBIAN: readonly Program[] = [
  ['debootstrap', '--version'],
  ['mkfs.ext4', '-V'],
]

/** What each system is made from, when it has not been made yet. */
const BUILT: Readonly<
  Record<string, { programs: readonly Program[]; root: boolean; remedy: string }>
> = {
  appliance: {
    programs: APPLIANCE,
    root: false,
    remedy:
      'apt install apt dpkg cpio xz-utils, and a package mirror in /etc/apt; or system: { kernel: … }',
  },
  debian: {
    programs: DEBIAN,
    root: true,
    remedy: 'apt install debootstrap e2fsprogs, a package mirror in /etc/apt, and run as root',
  },
}

/** What the seeds of an image of the user's own are made with. */
const SEEDS: Readonly<Record<string, readonly Program[]>> = {
  nocloud: [
    ['mkfs.vfat', '--help'],
    ['mcopy', '--version'],
  ],
}

/** The workloads that need more than their system: what is installed in the guest comes from a drive of debian's packages. */
const FROM_PACKAGES = ['install']
const PACKAGE_DRIVE = 'packages'

const IN_GUEST: Readonly<Record<string, string>> = { fio: 'needs fio in the system: debian has it' }

/** Which systems can be booted, and which workloads run. `systemsDir` holds the systems that are built already. */
export function systemProbes(
  systemsDir: string,
  values: { systems: readonly string[]; seeds: readonly string[]; workloads: readonly string[] },
): Probe[] {
  return [
    ...values.systems.map((system) => systemProbe(system, systemsDir)),
    ...values.seeds.map((seed) => seedProbe(seed)),
    ...values.workloads.map((workload): Probe => {
      const fromPackages = FROM_PACKAGES.includes(workload)
      return {
        group: 'workload',
        subject: `workload ${workload}`,
        remedy: BUILT.debian!.remedy,
        trial: async () =>
          fromPackages
            ? ((await built(PACKAGE_DRIVE, systemsDir)) ?? (await buildable('debian')))
            : (IN_GUEST[workload] ?? 'needs no more than a system that can boot'),
      }
    }),
  ]
}

function systemProbe(system: string, systemsDir: string): Probe {
  return {
    group: 'system',
    subject: `system ${system}`,
    remedy: BUILT[system]?.remedy ?? '',
    async trial() {
      if (!BUILT[system]) return 'is your own: needs no more than qemu'
      return (await built(system, systemsDir)) ?? (await buildable(system))
    },
  }
}

function seedProbe(seed: string): Probe {
  return {
    group: 'seed',
    subject: `seed ${seed}`,
    remedy: 'apt install dosfstools mtools',
    async trial() {
      const programs = SEEDS[seed] ?? []
      for (const [name, ...args] of programs) await run(name, args, { timeoutMs: TRIAL_MS })
      return programs.map(([name]) => name).join(', ') || 'needs nothing'
    },
  }
}

async function built(what: string, systemsDir: string): Promise<string | undefined> {
  const there = await readdir(systemsDir).catch(() => [])
  const found = there.find((name) => name.startsWith(`${what}-`))
  return found && `built already: ${found}`
}

async function buildable(system: string): Promise<string> {
  const { programs, root } = BUILT[system]!
  if (root && process.getuid?.() !== 0) throw new KvmioError('it is built by root alone')
  for (const [name, ...args] of programs) await run(name, args, { timeoutMs: TRIAL_MS })
  return `can be built from ${await packageMirror()}`
}

/** Without asking the network: the first source of packages that apt knows. */
async function packageMirror(): Promise<string> {
  const uris = await run('apt-get', ['update', '--print-uris'], { timeoutMs: TRIAL_MS })
  const mirror = /^'([^']+?)\/dists\//m.exec(uris)?.[1]
  if (mirror === undefined) throw new KvmioError('apt knows no mirror to take packages from')
  return mirror
}
