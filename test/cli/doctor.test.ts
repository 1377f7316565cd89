import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { text } from '../../src/cli/doctor.ts'
import { createHostProbing } from '../../src/cli/host-probes.ts'
import * as drive from '../../src/config/drive-schema.ts'
import { NETWORK_DRIVERS } from '../../src/config/network-url.ts'
import { SEEDS } from '../../src/config/schema.ts'
import { FILESYSTEMS, TIER_KINDS } from '../../src/config/tier-schema.ts'
import { WORKLOADS } from '../../src/config/workload-schema.ts'
import { applianceOrLack } from '../e2e/kvmio.ts'

const repository = new URL('../..', import.meta.url).pathname

t.test('a host as a list', async (t) => {
  const listed = [
    { group: 'bus', subject: 'bus ide', can: true, detail: 'ide-hd' },
    {
      group: 'bus',
      subject: 'bus pvscsi',
      can: false,
      detail: 'this qemu has no device pvscsi',
      remedy: 'apt install qemu-system-x86',
    },
    { group: 'programs', subject: 'fio', can: true, detail: 'fio-3.33' },
    { group: 'qemu', subject: 'qemu', can: true, detail: '7.2.22', remedy: '' },
    { group: 'drive', subject: 'iothread', can: false, detail: 'no', remedy: '' },
  ]
  t.equal(
    text(listed),
    `qemu
  yes  qemu     7.2.22

bus
  yes  ide      ide-hd
  no   pvscsi   this qemu has no device pvscsi
                apt install qemu-system-x86

drive
  no   iothread no

programs
  yes  fio      fio-3.33
`,
  )
})

t.test('every value of every factor has its probe', async (t) => {
  const values: Record<string, readonly string[]> = {
    bus: drive.BUSES,
    format: drive.FORMATS,
    preallocation: drive.PREALLOCATIONS,
    cache: drive.CACHES,
    aio: drive.AIOS,
    discard: drive.DISCARDS,
    detectZeroes: drive.DETECT_ZEROES,
    filesystem: FILESYSTEMS,
    accel: ['kvm', 'tcg'],
    tier: [...TIER_KINDS.filter((kind) => kind !== 'url'), 'emulate'],
    url: NETWORK_DRIVERS,
    system: ['appliance', 'debian', 'kernel', 'image'],
    seed: SEEDS,
    workload: WORKLOADS,
    hostCache: ['cold'],
  }
  const { probes } = await createHostProbing({
    stateDir: '/nowhere',
    binary: 'qemu-system-x86_64',
    procRoot: '/proc',
    sysRoot: '/sys',
    kvm: async () => ({ boots: false, reason: 'not tried' }),
  })
  const subjects = new Set(probes.map(({ subject }) => subject))
  t.equal(subjects.size, probes.length, 'each subject once')
  const expected = Object.entries(values).flatMap(([key, all]) => all.map((one) => `${key} ${one}`))
  t.strictSame(
    expected.filter((subject) => !subjects.has(subject)),
    [],
  )
  // What is only there or not, by the keys of a drive that have no names for values.
  const { shape } = drive.driveSchema
  const named = ['tier', 'size', ...Object.keys(values)]
  t.strictSame(
    Object.keys(shape).filter((key) => !named.includes(key) && !subjects.has(key)),
    [],
  )
})

const { lack } = await applianceOrLack()

t.test('this host, as text and as JSON', { skip: lack }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kvmio-doctor-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await mkdir(join(folder, 'state'), { mode: 0o711 })
  await symlink(join(repository, '.kvmio/systems'), join(folder, 'state/systems'))
  const file = join(folder, 'kvmio.yaml')
  await writeFile(file, 'state: state\n')
  const doctor = async (...flags: string[]) => {
    const args = [join(repository, 'src/main.ts'), 'doctor', '--config.file', file, ...flags]
    return (await promisify(execFile)(process.execPath, args)).stdout
  }
  const lines = (await doctor()).split('\n')
  const json = JSON.parse(await doctor('--json')) as { subject: string; can: boolean }[]
  t.ok(lines.includes('bus') && lines.includes('filesystem'), 'headings')
  const verdicts = lines.filter((line) => /^ {2}(yes|no ) {2}\S/.test(line))
  t.equal(verdicts.length, json.length, 'a line each')
  t.strictSame(
    verdicts.filter((line) => !/^ {2}(yes|no ) {2}\S+( \S+)* +\S/.test(line)),
    [],
    'each with a reason',
  )
  const can = Object.fromEntries(json.map((finding) => [finding.subject, finding.can]))
  t.equal(can['bus virtio-blk'], true)
  t.equal(can['system appliance'], true, 'it is there')
  t.equal(can['format qcow2'], true)
  t.equal(can.root, process.getuid?.() === 0)
})
