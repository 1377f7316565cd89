import { run } from '../lib/process.ts'
import { type Probe, TRIAL_MS } from './finding.ts'

const PROGRAMS: readonly { name: string; args: string[]; for: string; package: string }[] = [
  { name: 'qemu-img', args: ['--version'], for: 'images', package: 'qemu-utils' },
  { name: 'iostat', args: ['-V'], for: 'kvmio_iostat_*', package: 'sysstat' },
  { name: 'fio', args: ['--version'], for: 'calibration', package: 'fio' },
  { name: 'nbdkit', args: ['--version'], for: 'emulated disks', package: 'nbdkit' },
  { name: 'nbdfuse', args: ['--version'], for: 'emulated disks', package: 'libnbd-bin' },
  { name: 'cpio', args: ['--version'], for: 'building the appliance', package: 'cpio' },
  {
    name: 'debootstrap',
    args: ['--version'],
    for: 'the system debian and the built-in installer',
    package: 'debootstrap',
  },
  { name: 'fincore', args: ['--version'], for: 'hostCache cold', package: 'util-linux' },
  { name: 'xz', args: ['--version'], for: 'building the appliance', package: 'xz-utils' },
  { name: 'mkfs.vfat', args: ['--help'], for: 'seeds of cloud images', package: 'dosfstools' },
  { name: 'mcopy', args: ['--version'], for: 'seeds of cloud images', package: 'mtools' },
]

// Debian's package would start a Prometheus on all addresses, so it is not one to install for its promtool.
const PROMTOOL = 'only for checking rules; npm test fetches one of its own and installs nothing'

/** The programs beside qemu that parts of kvmio need. */
export function programProbes(): Probe[] {
  const known = PROGRAMS.map(({ name, args, for: purpose, package: from }) =>
    programProbe(name, args, `apt install ${from}; needed for ${purpose}`),
  )
  return [...known, programProbe('promtool', ['--version'], PROMTOOL)]
}

function programProbe(subject: string, args: readonly string[], remedy: string): Probe {
  return {
    group: 'programs',
    subject,
    remedy,
    async trial() {
      const text = await run(subject, args, { timeoutMs: TRIAL_MS })
      return text.split('\n')[0] || 'is there'
    },
  }
}
