import { join } from 'node:path'
import { isOwnInstaller, PACKAGE_DRIVE } from '../config/install-rules.ts'
import type { WorkloadConfig } from '../config/workload-schema.ts'
import type { KeepPlan, MediaPlan, VmPlan } from '../guest/plan.ts'
import { applianceAppend } from '../guest/systems/appliance-append.ts'
import type { CasePlan } from './plan.ts'

type Install = Extract<WorkloadConfig, { kind: 'install' }>
type InstallPlan = Pick<VmPlan, 'boot' | 'media' | 'done' | 'keep'>

/** What an installation needs from this host. */
export interface InstallPlacement {
  stateDir: string
  appliance?: { kernel: string; initrd: string }
  /** Path of the image that the built-in installer installs from. */
  packageDrive?: string
}

/** What a vm boots for an installation, and what it finds beside its drives. */
export function planInstall(
  workload: Install,
  point: CasePlan,
  slot: number,
  placement: InstallPlacement,
): InstallPlan {
  const keep = planKeep(workload, point, slot, placement.stateDir)
  const rest = keep ? { keep } : {}
  return isOwnInstaller(workload)
    ? { ...planOwn(workload), done: workload.done ?? 'power-off', ...rest }
    : { ...planBuiltIn(workload, point, placement), ...rest }
}

function planBuiltIn(
  workload: Install,
  point: CasePlan,
  { appliance, packageDrive }: InstallPlacement,
): InstallPlan {
  if (!appliance || packageDrive === undefined) {
    throw new TypeError('an installation was planned without the appliance and the package drive')
  }
  const append = applianceAppend(workload, Object.keys(point.guest.drives))
  return {
    boot: { kernel: appliance.kernel, initrd: appliance.initrd, append },
    media: [{ name: PACKAGE_DRIVE, kind: 'disk', path: packageDrive }],
  }
}

function planOwn({ kernel, initrd, append = '', files, media, iso }: Install): InstallPlan {
  const cdrom = (path: string): MediaPlan => ({ name: 'cd', kind: 'cdrom', path })
  if (kernel === undefined) return { boot: { medium: 'cd' }, media: [cdrom(iso ?? '')] }
  return {
    boot: { kernel, initrd, append, ...(files && { files }) },
    ...(media !== undefined && { media: [cdrom(media)] }),
  }
}

/** Of one vm's drive; each case of a study with factors has a name of its own. */
function planKeep(
  { keep, drive }: Install,
  { name, factors, guest }: CasePlan,
  slot: number,
  stateDir: string,
): KeepPlan | undefined {
  if (keep === undefined || slot !== 1) return undefined
  const called = Object.keys(factors).length === 0 ? keep : `${keep}-${name}`
  return {
    drive: drive ?? Object.keys(guest.drives)[0] ?? '',
    path: join(stateDir, 'systems', 'installed', `${called}.qcow2`),
  }
}
