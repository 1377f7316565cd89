import type { DriveConfig } from './drive-schema.ts'
import type { GuestConfig } from './schema.ts'

/** A drive whose data is on a tier. */
export interface ImageDriveConfig extends Omit<DriveConfig, 'tier' | 'size' | 'passthrough'> {
  tier: string
  /** Bytes. */
  size: number
}

/** A drive that is a disk controller of the host's. */
export interface PassthroughConfig {
  /** The drive's. */
  name: string
  /** Address of the PCI function. */
  pci: string
  overwrite?: string
}

type Drives = Pick<GuestConfig, 'drives'>

/** The drives that are images, by name. */
export function imageDrives({ drives }: Drives): [name: string, drive: ImageDriveConfig][] {
  return Object.entries(drives).flatMap(([name, { tier, size, passthrough, ...drive }]) =>
    passthrough || tier === undefined || size === undefined
      ? []
      : [[name, { ...drive, tier, size }]],
  )
}

/** The drives that are passed through. */
export function passedThrough({ drives }: Drives): PassthroughConfig[] {
  return Object.entries(drives).flatMap(([name, { passthrough }]) =>
    passthrough ? [{ name, ...passthrough }] : [],
  )
}
