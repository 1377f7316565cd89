import type { Family } from '../../src/metrics/family.ts'

// Series of the recording rules in prometheus/rules that dashboards use; a test holds these names against the rules.

const recorded = <L extends string>(name: string, labels: readonly L[]): Family<L> => ({
  name,
  type: 'gauge',
  help: '',
  labels,
})

const TIER = ['tier'] as const
const GUEST = ['tier', 'guest'] as const

export const demand = {
  /** Device-seconds per second of one vm. */
  ofVm: recorded('vm_tier_basis:kvmio_demand_ratio:mean5m', ['vm', 'tier', 'basis']),
  mean: recorded('tier_guest:kvmio_demand_ratio:mean_in_force', [...GUEST, 'source']),
  deviation: recorded('tier_guest:kvmio_demand_ratio:stddev_in_force', [...GUEST, 'source']),
  correlation: recorded('tier_guest:kvmio_demand_correlation_ratio:in_force', [...GUEST, 'source']),
}

export const density = {
  byMethod: recorded('tier_guest_method:kvmio_density_vms:fitting', [...GUEST, 'method']),
  byConstraint: recorded('tier_guest_constraint:kvmio_density_vms:fitting', [
    ...GUEST,
    'constraint',
  ]),
  headroom: recorded('tier_guest_method:kvmio_headroom_vms:fitting', [...GUEST, 'method']),
  binding: recorded('tier_guest:kvmio_headroom_vms:binding', [...GUEST, 'constraint']),
  boots: recorded('tier_guest:kvmio_boots_at_once:fitting', GUEST),
}

export const vms = {
  running: recorded('vm:kvmio_vm:running', ['vm']),
  booting: recorded('tier:kvmio_vms:booting', TIER),
  /** 1; the tier of each drive. */
  tiers: recorded('vm_drive_tier:kvmio_drive_info:max', ['vm', 'drive', 'tier']),
  memoryRoom: recorded('instance:kvmio_vms_memory_room_bytes:sum', []),
  cpuRoom: recorded('instance:kvmio_vms_cpu_room:rate5m', []),
}

export const tiers = {
  operations: recorded('tier:kvmio_operations:rate5m', TIER),
  neighbours: recorded('tier:kvmio_neighbour_operations:above_quiet', TIER),
  bytes: recorded('tier:kvmio_bytes:rate5m', TIER),
  latency: recorded('tier:kvmio_latency_seconds:mean5m', TIER),
  /** What the calibration has for as many operations in flight. */
  calibrated: recorded('tier:kvmio_latency_seconds:calibrated', TIER),
  overTarget: recorded('tier:kvmio_latency_target_ratio:mean5m', TIER),
  queue: recorded('tier:kvmio_queue_length:mean5m', TIER),
  knee: recorded('tier:kvmio_queue_length:knee', TIER),
  saturated: recorded('tier:kvmio_saturated:bool5m', TIER),
  used: recorded('tier:kvmio_utilisation_ratio:rate5m', TIER),
  usedHour: recorded('tier:kvmio_utilisation_ratio:rate1h', TIER),
  busy: recorded('tier:kvmio_device_busy_ratio:rate5m', TIER),
  /** What thin images may yet grow by. */
  unwritten: recorded('tier:kvmio_image_unwritten_bytes:sum', TIER),
  capacity: recorded('tier:kvmio_capacity_ratio:in_force', TIER),
  capacityUsed: recorded('tier:kvmio_capacity_used_ratio:rate5m', TIER),
  capacityByClass: recorded('tier_class:kvmio_capacity_transactions_per_second:in_force', [
    'tier',
    'class',
  ]),
}

/** All of them. */
export const allRecorded: readonly Family[] = [demand, density, vms, tiers].flatMap((group) =>
  Object.values<Family>(group),
)
