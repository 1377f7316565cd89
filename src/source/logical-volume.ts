// A logical volume by its device number, from sysfs alone: LVM need not be installed, nor be asked each time.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../lib/errors.ts'
import { type MappedVolume, volumeOf } from './lvm.ts'

/** A logical volume and what its data lies on. */
export interface VolumeDevice {
  group: string
  name: string
  /** Of a thin volume. */
  pool?: string
  /** The devices under it that are no volumes. */
  devices: string[]
}

/** Undefined for a device that is none. */
export async function readVolumeDevice(
  sysRoot: string,
  number: string,
): Promise<VolumeDevice | undefined> {
  const folder = join(sysRoot, 'dev/block', number)
  const volume = await readMapped(folder)
  if (!volume) return undefined
  const { group, name } = volume
  const { pools, devices } = await below(sysRoot, folder)
  const pool = pools[0] === undefined ? {} : { pool: pools[0] }
  return { group, name, ...pool, devices: [...new Set(devices)] }
}

/** Through the volumes that LVM keeps for itself: a thin volume's pool, the pool's parts. */
async function below(
  sysRoot: string,
  folder: string,
): Promise<{ pools: string[]; devices: string[] }> {
  const names = (await readdir(join(folder, 'slaves'))).sort()
  const found = await Promise.all(
    names.map(async (name) => {
      const slave = join(sysRoot, 'class/block', name)
      const volume = await readMapped(slave)
      if (!volume) return { pools: [], devices: [name.replaceAll('!', '/')] }
      const { pools, devices } = await below(sysRoot, slave)
      return { pools: volume.layer === 'tpool' ? [volume.name, ...pools] : pools, devices }
    }),
  )
  return {
    pools: found.flatMap(({ pools }) => pools),
    devices: found.flatMap(({ devices }) => devices),
  }
}

/** LVM begins the uuid of each of its devices with its name (lib/activate/dev_manager.c: UUID_PREFIX). */
async function readMapped(folder: string): Promise<MappedVolume | undefined> {
  const [uuid, name] = await Promise.all(
    ['uuid', 'name'].map((attribute) =>
      readFile(join(folder, 'dm', attribute), 'utf8').catch(notThere),
    ),
  )
  return uuid!.startsWith('LVM-') ? volumeOf(name!.trim()) : undefined
}

function notThere(error: unknown): string {
  if (codeOf(error) === 'ENOENT') return ''
  throw error
}
