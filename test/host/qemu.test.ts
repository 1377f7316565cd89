import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { type Finding, type Probe, tryOut } from '../../src/host/finding.ts'
import { imageProbes } from '../../src/host/image-abilities.ts'
import { createProbing } from '../../src/host/probing.ts'
import { parseQemuVersion, readQemuVersion } from '../../src/host/qemu.ts'
import { qemuProbes } from '../../src/host/qemu-abilities.ts'
import { missingPrograms } from '../../src/storage/programs.ts'

const QEMU = 'qemu-system-x86_64'

const VERSIONS: [text: string, version: string][] = [
  ['QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright…', '7.2.22'],
  ['QEMU emulator version 7.0.0', '7.0.0'],
  ['QEMU emulator version 10.1.0 (qemu-10.1.0-1.fc43)', '10.1.0'],
  ['QEMU emulator version 8.2.50 (v8.2.0-1234-gabcdef)', '8.2.50'],
]
const BAD_VERSIONS: [text: string, message: string][] = [
  ['QEMU emulator version 6.2.0 (Debian)', 'qemu is version 6.2.0; kvmio needs 7.0 or newer'],
  ['QEMU PC emulator version 0.12.1', 'qemu is version 0.12.1; kvmio needs 7.0 or newer'],
  ['busybox', 'qemu --version: expected a version, got "busybox"'],
  ['', 'qemu --version: expected a version, got ""'],
  ['x'.repeat(99), `qemu --version: expected a version, got "${'x'.repeat(60)}"`],
]

t.test('versions', async (t) => {
  for (const [text, version] of VERSIONS) t.equal(parseQemuVersion(text, 'qemu'), version)
  for (const [text, message] of BAD_VERSIONS) {
    t.throws(() => parseQemuVersion(text, 'qemu'), { name: 'KvmioError', message })
  }
})

t.test('what a trial returns is the detail, what it throws the reason', async (t) => {
  t.strictSame(await tryOut('kvm', 'buy another', async () => 'boots'), {
    subject: 'kvm',
    can: true,
    detail: 'boots',
  })
  const fails = async () => {
    throw new Error('it hangs\nand so on')
  }
  t.strictSame(await tryOut('kvm', 'buy another', fails), {
    subject: 'kvm',
    can: false,
    detail: 'it hangs',
    remedy: 'buy another',
  })
  const says = async () => {
    throw new Error('qemu-img exited with code 1:\n  qemu-img: no')
  }
  t.match(await tryOut('format', '', says), {
    detail: 'qemu-img exited with code 1: qemu-img: no',
  })
  const throwsText = async () => {
    throw 'no'
  }
  t.match(await tryOut('kvm', '', throwsText), { can: false, detail: 'no' })
})

const lack = (await missingPrograms([QEMU, 'qemu-img', 'qemu-io'])) ?? false

/** What the probes of these subjects find. */
async function found(probes: readonly Probe[]): Promise<Record<string, Finding>> {
  const probing = createProbing(probes)
  const findings = probes.map(async ({ subject }) => [subject, await probing.find(subject)])
  return Object.fromEntries(await Promise.all(findings))
}

const BUSES = ['virtio-blk', 'virtio-scsi', 'ide', 'sata', 'scsi', 'pvscsi', 'nvme']

t.test('the real qemu', { skip: lack }, async (t) => {
  t.match(await readQemuVersion(QEMU), /^\d+\.\d+\.\d+$/)
  const values = { buses: [...BUSES, 'floppy'], protocols: ['nbd', 'no-such-driver'] }
  const all = await found(qemuProbes(QEMU, values))
  t.match(all.qemu, { can: true, detail: /^\d+\.\d+/ })
  for (const bus of BUSES) t.match(all[`bus ${bus}`], { can: true, remedy: undefined }, bus)
  t.match(all['bus sata'], { detail: 'ahci and ide-hd' })
  t.match(all['bus floppy'], {
    can: false,
    detail: 'it is not known which devices of qemu make a floppy',
  })
  t.match(all['url nbd'], { can: true, detail: 'driver nbd' })
  t.match(all['url no-such-driver'], {
    can: false,
    detail: 'this qemu has no driver no-such-driver',
  })
  for (const subject of ['accel tcg', 'iothread', 'queues', 'throttle', 'balloon'])
    t.match(all[subject], { can: true }, subject)
})

t.test('images of the real qemu', { skip: lack }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-qemu-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const all = await found(
    imageProbes(directory, {
      formats: ['raw', 'qcow2', 'no-such-format'],
      preallocations: ['off', 'metadata', 'falloc', 'full', 'no-such'],
      caches: ['none', 'writeback', 'writethrough', 'directsync', 'unsafe', 'no-such'],
      aios: ['threads', 'native', 'io_uring', 'no-such'],
      discards: ['ignore', 'unmap', 'no-such'],
      detectZeroes: ['off', 'on', 'unmap', 'no-such'],
    }),
  )
  for (const [subject, { can, detail }] of Object.entries(all))
    t.equal(can, !subject.includes('no-such'), `${subject}: ${detail}`)
  t.match(all['format qcow2'], { detail: 'qemu-img create -f qcow2' })
  t.match(all['aio threads'], { detail: `4 KiB were read with it in ${directory}` })
  t.match(all['aio no-such'], { remedy: /another aio/ })
  t.match(all['cache no-such'], { detail: /Invalid cache option: no-such|[Ii]nvalid/ })
  t.strictSame(await readdir(directory), [], 'nothing is left')
})

t.test('no qemu: said of all that it makes', async (t) => {
  const detail = 'no-such-qemu did not start: no-such-qemu is not installed'
  const all = await found(qemuProbes('no-such-qemu', { buses: ['ide'], protocols: [] }))
  const expected = { can: false, detail, remedy: 'apt install qemu-system-x86' }
  t.match(all.qemu, expected)
  t.match(all['bus ide'], expected)
})
