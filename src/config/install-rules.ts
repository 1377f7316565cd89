import { formatBytes } from '../lib/quantities.ts'
import type { WorkloadConfig } from './schema.ts'

type Install = Extract<WorkloadConfig, { kind: 'install' }>

/** The serial number of the drive that the built-in installer installs from. */
export const PACKAGE_DRIVE = 'packages'

/** An installer of one's own has its kernel given, or boots from an ISO image. */
export function isOwnInstaller({ kernel, iso }: Install): boolean {
  return kernel !== undefined || iso !== undefined
}

const MIB = 2 ** 20
// What du says of what is installed, with a journal and the inodes, and some room: measured with Debian 12.
const LEAST_BYTES = { minimal: 96 * MIB, minbase: 512 * MIB, debian: 1024 * MIB }
/** Keys that an installer which is booted from an ISO image has no use for. */
const OF_KERNEL = ['initrd', 'append', 'files', 'media'] as const

/** What contradicts itself in an installation, or does not fit on its drive. */
export function installMistakes(
  install: Install,
  drive: { name: string; size: number },
  drives: readonly string[],
): { key: string; message: string }[] {
  const { kernel, iso, packages, done } = install
  if (kernel !== undefined && iso !== undefined) {
    const message =
      'expected a kernel or an ISO image to boot, got both; media is an ISO beside a kernel'
    return [{ key: 'iso', message }]
  }
  if (kernel === undefined) {
    const [spare] = OF_KERNEL.filter((key) => install[key] !== undefined)
    if (spare !== undefined)
      return [{ key: spare, message: `expected kernel beside ${spare}, got none` }]
  }
  if (isOwnInstaller(install)) {
    if (packages === undefined) return []
    const message =
      "expected packages for the built-in installer alone, got an installer of one's own"
    return [{ key: 'packages', message }]
  }
  if (done !== undefined) {
    const message =
      "expected done for an installer of one's own, which has kernel or iso, got neither"
    return [{ key: 'done', message }]
  }
  if (drives.includes(PACKAGE_DRIVE)) {
    const message = `expected no drive called ${PACKAGE_DRIVE}: the installer has one`
    return [{ key: 'drive', message }]
  }
  const least = LEAST_BYTES[typeof packages === 'string' ? packages : 'minbase']
  if (drive.size >= least) return []
  const what = `for ${Array.isArray(packages) ? 'these packages' : (packages ?? 'minbase')}`
  const message = `expected a drive of at least ${formatBytes(least)} ${what}, got ${drive.name} with ${formatBytes(drive.size)}`
  return [{ key: 'drive', message }]
}
