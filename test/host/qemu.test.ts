import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { tryOut } from '../../src/host/finding.ts'
import { parseQemuVersion, readQemuVersion } from '../../src/host/qemu.ts'
import { examineQemu } from '../../src/host/qemu-abilities.ts'
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
  const throwsText = async () => {
    throw 'no'
  }
  t.match(await tryOut('kvm', '', throwsText), { can: false, detail: 'no' })
})

const lack = (await missingPrograms([QEMU, 'qemu-img', 'qemu-io'])) ?? false

t.test('the real qemu', { skip: lack }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-qemu-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  t.match(await readQemuVersion(QEMU), /^\d+\.\d+\.\d+$/)
  const formats = ['raw', 'qcow2', 'no-such-format']
  const findings = await examineQemu(QEMU, directory, formats, ['threads', 'no-such-aio'])
  const found = Object.fromEntries(findings.map((finding) => [finding.subject, finding]))
  t.strictSame(Object.keys(found), [
    'qemu',
    ...['virtio-blk', 'virtio-scsi', 'ide', 'sata', 'scsi', 'nvme'].map((bus) => `bus ${bus}`),
    ...formats.map((format) => `format ${format}`),
    'aio threads',
    'aio no-such-aio',
  ])
  t.match(found['bus virtio-blk'], { can: true, detail: 'virtio-blk-pci', remedy: undefined })
  t.match(found['format qcow2'], { can: true, detail: 'an image could be made' })
  t.match(found['format no-such-format'], { can: false, remedy: 'apt install qemu-utils' })
  t.match(found['aio threads'], { can: true, detail: '4 KiB were read with it' })
  t.match(found['aio no-such-aio'], { can: false, remedy: /another aio/ })
  t.strictSame(await readdir(directory), [], 'nothing is left')
})

t.test('no qemu: one finding, not a dozen', async (t) => {
  const detail = 'no-such-qemu did not start: no-such-qemu is not installed'
  t.strictSame(await examineQemu('no-such-qemu', tmpdir(), ['raw'], ['threads']), [
    { subject: 'qemu', can: false, detail, remedy: 'apt install qemu-system-x86' },
  ])
})
