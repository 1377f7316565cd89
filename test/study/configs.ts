import type { ImageDriveConfig } from '../../src/config/passthrough.ts'
import type { GuestConfig, StudyConfig } from '../../src/config/schema.ts'

export function drive(more: Partial<ImageDriveConfig> = {}): ImageDriveConfig {
  return {
    tier: 'local',
    bus: 'virtio-blk',
    format: 'qcow2',
    size: 2 ** 30,
    preallocation: 'off',
    lazyRefcounts: false,
    extendedL2: false,
    backing: 0,
    cache: 'none',
    aio: 'threads',
    discard: 'ignore',
    detectZeroes: 'off',
    iothread: false,
    ...more,
  }
}

export function guest(more: Partial<GuestConfig> = {}): GuestConfig {
  return {
    system: 'appliance',
    memory: 192 * 2 ** 20,
    vcpus: 1,
    accel: 'auto',
    deadlines: { start: 30, boot: 120, phase: 1800 },
    drives: { root: drive() },
    ...more,
  }
}

export function study(more: Partial<StudyConfig> = {}): StudyConfig {
  return {
    guest: 'student',
    vms: 1,
    stagger: 0,
    hostCache: 'warm',
    workload: {
      kind: 'boot-write-shutdown',
      write: 32 * 2 ** 20,
      blockSize: 65_536,
      to: 'filesystem',
      direct: false,
      settle: 10,
    },
    settings: {},
    factors: {},
    include: [],
    exclude: [],
    blocks: { min: 6, max: 6 },
    pause: 10,
    tries: 3,
    ...more,
  }
}
