import type { Readable } from './readable.ts'
import type { GuestConfig, TierConfig } from './schema.ts'

type Tiers = (name: string) => Readable<TierConfig> | undefined

/** Why the vms of a study cannot stand on its tiers at once; the planner asks the same of each case. */
export function placementProblem(
  guest: Readable<GuestConfig>,
  vms: number,
  tier: Tiers,
): string | undefined {
  const drives = Object.entries(guest.drives ?? {})
  for (const [name, drive] of drives) {
    const problem = drive && formatProblem(drive, tier)
    if (problem !== undefined) return `drives.${name}: ${problem}`
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

/** Why a drive cannot have its format on its tier. */
export function formatProblem(
  { format, tier: name }: Readable<GuestConfig['drives'][string]>,
  tier: Tiers,
): string | undefined {
  const isUrl = name !== undefined && tier(name)?.url !== undefined
  if (!isUrl || format === undefined || format === 'raw') return undefined
  return `expected format raw on tier ${name}, whose url names a disk that is there, got ${format}`
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
