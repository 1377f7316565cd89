import { type ConfigText, guestOn } from '../e2e/kvmio.ts'
import type { Figures } from './figures.ts'
import { FIO_GUEST_MEMORY } from './fio-initrd.ts'
import { guestScript, type Load } from './guest-load.ts'
import type { Teardown } from './stage.ts'

/** What the parts of the suite share. */
export interface Bench {
  /** The appliance's kernel, and its ramdisk with fio. */
  kernel: string
  initrd: string
  /** For a part's own files. */
  directory: string
  figures: Figures
}

/** A part: real guests under a known load, and what became of it at each layer. */
export type Part = (bench: Bench, t: Teardown) => Promise<void>

/** A guest that has fio, with one drive on this tier. */
export function guestWith(
  { kernel, initrd }: Bench,
  tier: string,
  drive: ConfigText = {},
  drives: ConfigText = {},
): ConfigText {
  const keys = {
    system: { kernel, initrd },
    memory: FIO_GUEST_MEMORY,
    deadlines: { boot: '5m', phase: '5m' },
  }
  const guest = guestOn(tier, keys, { preallocation: 'full', ...drive })
  return { ...guest, drives: { ...(guest.drives as ConfigText), ...drives } }
}

/** A study of one run that `serve` begins at once. */
export function studyOf(guest: string, loads: readonly Load[], more: ConfigText = {}): ConfigText {
  const script = { run: guestScript(loads), to: 'device', timeout: '4m' }
  return { guest, schedule: 'continuous', pause: '1h', workload: { script }, ...more }
}
