// https://docs.kernel.org/admin-guide/kernel-parameters.html; the words kvmio.* are read by init.sh.
import type { WorkloadConfig } from '../../config/workload-schema.ts'
import { type DriveAtAddress, refused, workloadWords } from './workload-words.ts'

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

/** The kernel's command line for a vm of the appliance: the workload, and the drives that it waits for; none, to be idle. */
export function applianceAppend(
  workload: WorkloadConfig,
  drives: readonly string[],
  passthrough: readonly DriveAtAddress[] = [],
): string {
  const words = [...KERNEL_WORDS, ...workloadWords(workload, drives, undefined, passthrough)]
  const line = words.join(' ')
  if (line.length > MAX_BYTES) {
    throw refused('drives', `a kernel command line of at most ${MAX_BYTES} bytes`, line.length)
  }
  return line
}
