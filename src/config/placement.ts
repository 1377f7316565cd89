import type { Problem } from './problems.ts'
import type { Readable } from './readable.ts'
import type { GuestConfig, TierConfig } from './schema.ts'
import { rootDrive } from './system-rules.ts'

type Tiers = (name: string) => Readable<TierConfig> | undefined

/** Why the vms of a study cannot stand on its tiers at once; the planner asks the same of each case. */
export function placementProblem(
  guest: Readable<GuestConfig>,
  vms: number,
  tier: Tiers,
): string | undefined {
  const drives = Object.entries(guest.drives ?? {})
  for (const [name, drive] of drives) {
    const [problem] = drive ? onTierProblems(drive, tier) : []
    if (problem) return `drives.${name}.${problem.path.join('.')}: ${problem.message}`
    const isDevice = tier(drive?.tier ?? '')?.device !== undefined
    if (isDevice && name === rootDrive(guest) && drive?.format === 'qcow2') {
      return `drives.${name}.format: expected raw on tier ${drive.tier}, which is one device and has no place for the system's image under a qcow2`
    }
    if (drive?.passthrough && vms > 1) {
      return `drive ${name} is passed through, for one vm at a time, got ${vms} vms at once`
    }
  }
  const names = new Set(drives.map(([, drive]) => drive?.tier ?? ''))
  for (const name of names) {
    const config = tier(name)
    const one = config && soleTarget(config)
    if (!one) continue
    const on = drives.filter(([, drive]) => drive?.tier === name).length
    if (on > 1 && !one.byDrive) return `tier ${name} ${one.holds}, got ${on} drives of each vm`
    if (vms > 1 && !one.byVm) return `tier ${name} ${one.holds}, got ${vms} vms at once`
  }
  return undefined
}

/** Why a drive cannot be as it is on its tier. Paths begin at the drive. */
export function onTierProblems(
  { format, preallocation, backing, tier: name }: Readable<GuestConfig['drives'][string]>,
  tier: Tiers,
): Problem[] {
  const config = name === undefined ? undefined : tier(name)
  if (!config) return []
  const problems: Problem[] = []
  const add = (key: string, message: string) => problems.push({ path: [key], at: 'value', message })
  if (config.url !== undefined && format !== undefined && format !== 'raw') {
    add(
      'format',
      `expected format raw on tier ${name}, whose url names a disk that is there, got ${format}`,
    )
  }
  // qemu-img: "Preallocation mode 'full' unsupported for this non-regular file"
  const onFiles = config.directory !== undefined || config.filesystem !== undefined
  if (!onFiles && (preallocation === 'falloc' || preallocation === 'full')) {
    add(
      'preallocation',
      `preallocation ${preallocation} is for image files, and tier ${name} holds none`,
    )
  }
  if (config.device !== undefined && backing) {
    add(
      'backing',
      `expected none on tier ${name}, which is one device and has no place for it, got ${backing}`,
    )
  }
  return problems
}

/** Of a tier that is one target, or one for each vm or drive: what tells its targets apart. */
function soleTarget({ device, url }: Readable<TierConfig>) {
  if (device !== undefined) {
    return { byVm: false, byDrive: false, holds: 'is a device, for one drive of one vm at a time' }
  }
  if (url === undefined) return undefined
  const [byVm, byDrive] = ['{vm}', '{drive}'].map((word) => url.includes(word))
  const lacking = [...(byVm ? [] : ['{vm}']), ...(byDrive ? [] : ['{drive}'])].join(' and ')
  return { byVm, byDrive, holds: `is one target for all: its url has no ${lacking}` }
}
