import { KvmioError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { formatBytes } from '../lib/quantities.ts'
import { hasDeviceMapper, readVolumeGroups } from '../source/lvm.ts'
import { EXTRA_DRIVERS, readQemuDrivers } from '../source/qemu-drivers.ts'
import { type Finding, tryOut } from './finding.ts'

/** What tiers of kind volumeGroup stand on. */
export async function examineVolumes(procRoot: string): Promise<Finding[]> {
  const lvm = await tryOut(
    'lvm',
    'apt install lvm2; needed for tiers of kind volumeGroup',
    async () => {
      const text = await run('lvcreate', ['--version'], { timeoutMs: 5_000 })
      return /LVM version: +(\S+)/.exec(text)?.[1] ?? 'is there'
    },
  )
  if (!lvm.can || !(await hasDeviceMapper(procRoot))) return [lvm]
  const groups = await tryOut(
    'volume groups',
    'vgcreate makes one, of disks to spare',
    async () => {
      const found = await readVolumeGroups()
      if (found.length === 0) throw new KvmioError('this host has none')
      return found
        .map(({ name, freeBytes }) => `${name} (${formatBytes(freeBytes)} free)`)
        .join(', ')
    },
  )
  return [lvm, groups]
}

/** Which URLs of tiers this qemu can open. */
export async function examineUrls(drivers: readonly string[]): Promise<Finding[]> {
  const known = readQemuDrivers()
  return await Promise.all(
    drivers.map((driver) =>
      tryOut(`url ${driver}`, `apt install ${EXTRA_DRIVERS}`, async () => {
        if (!(await known).includes(driver))
          throw new KvmioError(`this qemu has no driver ${driver}`)
        return 'qemu has the driver'
      }),
    ),
  )
}

/** What makes a filesystem or a drive of a device that the config names. */
export function examineDevices(): Promise<Finding> {
  const remedy = 'apt install util-linux; needed for tiers on a device'
  return tryOut('wipefs', remedy, async () => {
    const text = await run('wipefs', ['--version'], { timeoutMs: 5_000 })
    return text.trim() || 'is there'
  })
}
