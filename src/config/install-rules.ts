import { formatBytes } from '../lib/quantities.ts'
import type { Problem } from './problems.ts'
import type { WorkloadGuest } from './workload-rules.ts'
import type { PackageSet, WorkloadConfig } from './workload-schema.ts'

type Install = Extract<WorkloadConfig, { kind: 'install' }>

/** The serial number of the drive that the built-in installer installs from. */
export const PACKAGE_DRIVE = 'packages'

/** An installer of one's own has its kernel given, or boots from an ISO image. */
export function isOwnInstaller({ kernel, iso }: Install): boolean {
  return kernel !== undefined || iso !== undefined
}

const MIB = 2 ** 20
// What du says of what is installed, with a journal and the inodes, and some room: measured with Debian 12.
// With which the installations were tried under TCG.
const LEAST_MEMORY = { minimal: 128 * MIB, minbase: 256 * MIB, debian: 384 * MIB }
const LEAST_BYTES = { minimal: 64 * MIB, minbase: 512 * MIB, debian: 1024 * MIB }
/** The machine has four places for IDE, and the CD has one of them. */
const IDE_BESIDE_CD = 3
/** Keys that an installer which is booted from an ISO image has no use for. */
const OF_KERNEL = ['initrd', 'append', 'files', 'media'] as const

/** What contradicts itself in an installation, or does not fit on its drive or into memory. */
export function installProblems(install: Install, guest: WorkloadGuest, drive: string): Problem[] {
  const { kernel, iso, packages, done } = install
  const problem = (key: string, message: string): Problem[] => [
    { path: [key], at: 'value', message },
  ]
  if (kernel !== undefined && iso !== undefined) {
    const message =
      'expected a kernel or an ISO image to boot, got both; media is an ISO beside a kernel'
    return problem('iso', message)
  }
  if (kernel === undefined) {
    const [spare] = OF_KERNEL.filter((key) => install[key] !== undefined)
    if (spare !== undefined) return problem(spare, `expected kernel beside ${spare}, got none`)
  }
  const cd = iso === undefined ? 'media' : 'iso'
  const onIde = Object.values(guest.drives ?? {}).filter((drive) => drive?.bus === 'ide').length
  if (install[cd] !== undefined && onIde > IDE_BESIDE_CD) {
    const most = `at most ${IDE_BESIDE_CD} drives on bus ide beside the CD`
    return problem(cd, `expected ${most}, got ${onIde}`)
  }
  if (isOwnInstaller(install)) {
    if (packages === undefined) return []
    return problem('packages', "expected them for the built-in installer alone, got one's own")
  }
  if (done !== undefined) {
    return problem(
      'done',
      "expected kernel or iso, an installer of one's own, beside done, got neither",
    )
  }
  return builtInProblems(packages, guest, drive)
}

function builtInProblems(
  packages: PackageSet = 'minbase',
  { system, memory, drives = {} }: WorkloadGuest,
  drive: string,
): Problem[] {
  const problem = (message: string): Problem[] => [{ path: [], at: 'key', message }]
  if (system !== undefined && system !== 'appliance') {
    return problem('expected a guest with the system appliance, which runs the built-in installer')
  }
  if (Object.hasOwn(drives, PACKAGE_DRIVE)) {
    return problem(`expected no drive called ${PACKAGE_DRIVE}: the installer has one`)
  }
  const set = typeof packages === 'string' ? packages : 'minbase'
  const size = drives[drive]?.size ?? Number.POSITIVE_INFINITY
  if (size < LEAST_BYTES[set]) {
    const least = formatBytes(LEAST_BYTES[set])
    return problem(
      `expected at least ${least} on drive ${drive} for ${set}, got ${formatBytes(size)}`,
    )
  }
  if (memory !== undefined && memory < LEAST_MEMORY[set]) {
    const least = formatBytes(LEAST_MEMORY[set])
    return problem(`expected a guest with at least ${least} of memory, got ${formatBytes(memory)}`)
  }
  return []
}
