// https://docs.kernel.org/admin-guide/kernel-parameters.html; the words kvmio.* are read by init.sh.
import type { WorkloadConfig } from '../../config/schema.ts'
import { KvmioError } from '../../lib/errors.ts'

const KERNEL_WORDS = [
  'console=ttyS0',
  'quiet',
  'panic=-1', // reboots at once, which -no-reboot makes the end of the vm
  'oops=panic',
  // Under TCG on a busy host the kernel measures the TSC wrong: one boot of 24 said 23 s of uptime after 5 s. With the
  // TSC unstable the clock is the HPET; under KVM it is kvm-clock with or without this word.
  'tsc=unstable',
  'no_timer_check', // the same measure makes it panic on a timer that works; KVM guests leave the check out themselves
  'cryptomgr.notests', // 0.7 s of 3.0 s to init
]

const MAX_BYTES = 2047 // COMMAND_LINE_SIZE of x86, less its NUL
const MAX_SERIAL = 20 // virtio-blk's VIRTIO_BLK_ID_BYTES; ATA's and NVMe's serial numbers are as long
const PAGE_BYTES = 4096 // busybox' dd aligns no smaller buffer, and quietly gives up O_DIRECT for it

/** A drive that the guest knows by the PCI address of its controller, not by its serial number. */
export interface DriveAtAddress {
  name: string
  /** In the guest: 0000:00:1f.0. */
  address: string
}

/** The kernel's command line for a vm of the appliance: the workload, and the drives that it waits for; none, to be idle. */
export function applianceAppend(
  workload: WorkloadConfig,
  drives: readonly string[],
  passthrough: readonly DriveAtAddress[] = [],
): string {
  for (const name of drives) {
    const plain = /^[a-z0-9-]+$/.test(name) && name.length <= MAX_SERIAL
    if (!plain)
      throw refused('drives', `names of 1 to ${MAX_SERIAL} characters a-z, 0-9 and -`, name)
  }
  const words = [
    ...KERNEL_WORDS,
    ...(drives.length > 0 ? [`kvmio.drives=${drives.join(',')}`] : []),
    ...(passthrough.length > 0
      ? [`kvmio.passthrough=${passthrough.map(({ name, address }) => `${name}@${address}`)}`]
      : []),
    ...workloadWords(workload, drives),
  ]
  const line = words.join(' ')
  if (line.length > MAX_BYTES) {
    throw refused('drives', `a kernel command line of at most ${MAX_BYTES} bytes`, line.length)
  }
  return line
}

function workloadWords(workload: WorkloadConfig, drives: readonly string[]): string[] {
  switch (workload.kind) {
    case 'idle':
      return ['kvmio.workload=idle', `kvmio.time=${seconds('idle.time', workload.time)}`]
    case 'boot-write-shutdown': {
      const { write, blockSize, drive = drives[0], to, direct, settle } = workload
      const at = (key: string): string => `boot-write-shutdown.${key}`
      if (drive === undefined) throw refused('drives', 'at least one name', drives)
      if (!drives.includes(drive)) throw refused(at('drive'), `one of ${drives.join(', ')}`, drive)
      if (to !== 'device' && to !== 'filesystem')
        throw refused(at('to'), 'device or filesystem', to)
      const unit = direct ? PAGE_BYTES : 1
      return [
        'kvmio.workload=boot-write-shutdown',
        `kvmio.drive=${drive}`,
        `kvmio.write=${bytes(at('write'), write, unit)}`,
        `kvmio.bs=${bytes(at('blockSize'), blockSize, unit)}`,
        `kvmio.direct=${direct ? 1 : 0}`,
        `kvmio.to=${to}`,
        `kvmio.settle=${seconds(at('settle'), settle)}`,
      ]
    }
  }
}

function bytes(key: string, value: number, unit: number): string {
  if (Number.isSafeInteger(value) && value > 0 && value % unit === 0) return String(value)
  throw refused(
    key,
    unit === 1 ? 'a number of bytes' : `a multiple of ${unit} bytes for direct I/O`,
    value,
  )
}

function seconds(key: string, value: number): string {
  const text = value.toFixed(3)
  if (/^\d{1,9}\.\d{3}$/.test(text)) return text
  throw refused(key, 'a number of seconds', value)
}

function refused(key: string, expected: string, found: unknown): KvmioError {
  return new KvmioError(
    `${key}: expected ${expected}, got ${JSON.stringify(found) ?? String(found)}`,
  )
}
