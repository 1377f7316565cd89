import type { Drive } from '../attribution/records.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sampleIfGiven } from '../metrics/family.ts'

// qemu/util/throttle.c: throttle_config_init.
const DEFAULT_BURST_SECONDS = 1

/** The limits of a drive; nothing where it has none. */
export function throttleSamples(vm: string, { name, throttle = {} }: Drive): Sample[] {
  const labels = { vm, drive: name }
  const { iops, iopsBurst, bytesPerSecond, bytesPerSecondBurst } = throttle
  const hasBurst = iopsBurst !== undefined || bytesPerSecondBurst !== undefined
  const burstSeconds = hasBurst ? (throttle.burstLength ?? DEFAULT_BURST_SECONDS) : undefined
  return [
    ...sampleIfGiven(m.driveThrottle.operations, labels, iops),
    ...sampleIfGiven(m.driveThrottle.burstOperations, labels, iopsBurst),
    ...sampleIfGiven(m.driveThrottle.bytes, labels, bytesPerSecond),
    ...sampleIfGiven(m.driveThrottle.burstBytes, labels, bytesPerSecondBurst),
    ...sampleIfGiven(m.driveThrottle.burstSeconds, labels, burstSeconds),
  ]
}
