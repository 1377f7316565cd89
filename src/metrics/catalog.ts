import type { Family, MetricType } from './family.ts'

// Every metric of kvmio. The suffixes of the I/O families are node_exporter's at each layer, so that the same PromQL
// reads a guest, qemu, a process and a device. README's table is made from this file (npm run snap).

const families: Family[] = []

/** All families, in the order of the page. */
export const catalog: readonly Family[] = families

function define<L extends string>(
  type: MetricType,
  name: string,
  labels: readonly L[],
  help: string,
): Family<L> {
  const family = { name: `kvmio_${name}`, type, help, labels }
  families.push(family)
  return family
}

const counter = <L extends string>(name: string, labels: readonly L[], help: string) =>
  define('counter', name, labels, help)
const gauge = <L extends string>(name: string, labels: readonly L[], help: string) =>
  define('gauge', name, labels, help)
const histogram = <L extends string>(name: string, labels: readonly L[], help: string) =>
  define('histogram', name, labels, help)

const IO = {
  readsCompleted: ['reads_completed_total', 'Reads completed'],
  readsMerged: ['reads_merged_total', 'Reads merged with another before they were issued'],
  readBytes: ['read_bytes_total', 'Bytes read'],
  readSeconds: ['read_time_seconds_total', 'Time that reads took, summed over reads'],
  writesCompleted: ['writes_completed_total', 'Writes completed'],
  writesMerged: ['writes_merged_total', 'Writes merged with another before they were issued'],
  writtenBytes: ['written_bytes_total', 'Bytes written'],
  writeSeconds: ['write_time_seconds_total', 'Time that writes took, summed over writes'],
  discardsCompleted: ['discards_completed_total', 'Discards completed'],
  discardsMerged: ['discards_merged_total', 'Discards merged with another before they were issued'],
  discardedBytes: ['discarded_bytes_total', 'Bytes discarded'],
  discardSeconds: ['discard_time_seconds_total', 'Time that discards took, summed over discards'],
  flushes: ['flush_requests_total', 'Flushes completed'],
  flushSeconds: [
    'flush_requests_time_seconds_total',
    'Time that flushes took, summed over flushes',
  ],
  ioNow: ['io_now', 'Requests in flight'],
  ioSeconds: ['io_time_seconds_total', 'Time with at least one request in flight'],
  ioWeightedSeconds: ['io_time_weighted_seconds_total', 'Time in flight, summed over requests'],
} as const

export type IoKey = keyof typeof IO

const READ_WRITE = ['readsCompleted', 'readBytes', 'writesCompleted', 'writtenBytes'] as const
const DISCARD = ['discardsCompleted', 'discardedBytes', 'discardSeconds'] as const
const EACH = Object.keys(IO) as IoKey[]

function io<L extends string, K extends IoKey>(
  prefix: string,
  labels: readonly L[],
  where: string,
  keys: readonly K[],
): Record<K, Family<L>> {
  const made = keys.map((key) => {
    const [suffix, what] = IO[key]
    const type = key === 'ioNow' ? 'gauge' : 'counter'
    return [key, define(type, `${prefix}_${suffix}`, labels, `${what}, ${where}.`)] as const
  })
  return Object.fromEntries(made) as Record<K, Family<L>>
}

// Layer by layer, from the guest to the device.

export const guestDisk = io(
  'guest_disk',
  ['vm', 'drive', 'disk'],
  "as the guest's own /proc/diskstats has it",
  EACH,
)

export const drive = io('drive', ['vm', 'drive'], 'as qemu counts it (QMP query-blockstats)', [
  'readsCompleted',
  'readsMerged',
  'readBytes',
  'readSeconds',
  'writesCompleted',
  'writesMerged',
  'writtenBytes',
  'writeSeconds',
  ...DISCARD,
  'discardsMerged',
  'flushes',
  'flushSeconds',
])
export const driveFailed = counter(
  'drive_failed_operations_total',
  ['vm', 'drive', 'operation'],
  'Operations that failed, by operation (QMP failed_*_operations); not among the completed ones, but in their time and latency histogram, whose count is completed plus failed.',
)
export const driveInvalid = counter(
  'drive_invalid_operations_total',
  ['vm', 'drive', 'operation'],
  'Operations that the guest asked for outside the disk or with a wrong alignment (QMP invalid_*_operations); they never began, and are in no other count.',
)
export const driveHighestOffset = gauge(
  'drive_highest_written_offset_bytes',
  ['vm', 'drive'],
  'The offset after the last byte that a write was ever tried at (QMP wr_highest_offset).',
)
export const driveIdle = gauge(
  'drive_idle_seconds',
  ['vm', 'drive'],
  'Time since the last operation (QMP idle_time_ns); absent before the first.',
)
export const driveZoneAppend = {
  completed: counter(
    'drive_zone_appends_completed_total',
    ['vm', 'drive'],
    'Zone appends completed, as qemu 8.1 or newer counts it; 0 on a disk without zones.',
  ),
  merged: counter(
    'drive_zone_appends_merged_total',
    ['vm', 'drive'],
    'Zone appends merged with another before they were issued, likewise.',
  ),
  bytes: counter(
    'drive_zone_appended_bytes_total',
    ['vm', 'drive'],
    'Bytes appended to zones, likewise.',
  ),
  seconds: counter(
    'drive_zone_append_time_seconds_total',
    ['vm', 'drive'],
    'Time that zone appends took, summed over them, likewise.',
  ),
}
export const driveStorage = {
  highestOffset: gauge(
    'drive_storage_highest_written_offset_bytes',
    ['vm', 'drive'],
    'The same of the image itself: where a qcow2 on a larger device ends.',
  ),
  discards: counter(
    'drive_storage_discards_completed_total',
    ['vm', 'drive'],
    "Discards that qemu passed on to the image's file or device (QMP discard-nb-ok).",
  ),
  discardedBytes: counter(
    'drive_storage_discarded_bytes_total',
    ['vm', 'drive'],
    'Bytes of them (QMP discard-bytes-ok).',
  ),
  failedDiscards: counter(
    'drive_storage_failed_discards_total',
    ['vm', 'drive'],
    'Discards that the file or device refused, mostly since it has none (QMP discard-nb-failed).',
  ),
  completionErrors: counter(
    'drive_storage_nvme_completion_errors_total',
    ['vm', 'drive'],
    "Errors of a host's nvme disk that qemu drives itself, nvme:// (QMP completion-errors).",
  ),
  aligned: counter(
    'drive_storage_nvme_aligned_accesses_total',
    ['vm', 'drive'],
    'Accesses to such a disk without a copy (QMP aligned-accesses).',
  ),
  unaligned: counter(
    'drive_storage_nvme_unaligned_accesses_total',
    ['vm', 'drive'],
    'Accesses to such a disk that had to be copied (QMP unaligned-accesses).',
  ),
}
export const driveLatency = {
  read: histogram(
    'drive_read_latency_seconds',
    ['vm', 'drive'],
    'Latency of reads, failed ones included, as qemu counts it; the sum is exact.',
  ),
  write: histogram('drive_write_latency_seconds', ['vm', 'drive'], 'Latency of writes, likewise.'),
  flush: histogram('drive_flush_latency_seconds', ['vm', 'drive'], 'Latency of flushes, likewise.'),
  zoneAppend: histogram(
    'drive_zone_append_latency_seconds',
    ['vm', 'drive'],
    'Latency of zone appends, likewise; from the first one on.',
  ),
}

export const driveThrottle = {
  operations: gauge(
    'drive_throttle_transactions_per_second',
    ['vm', 'drive'],
    'Reads and writes that qemu lets through (config); absent without such a limit.',
  ),
  burstOperations: gauge(
    'drive_throttle_burst_transactions_per_second',
    ['vm', 'drive'],
    'The same in a burst.',
  ),
  bytes: gauge(
    'drive_throttle_bytes_per_second',
    ['vm', 'drive'],
    'Bytes read and written that qemu lets through (config); absent without such a limit.',
  ),
  burstBytes: gauge(
    'drive_throttle_burst_bytes_per_second',
    ['vm', 'drive'],
    'The same in a burst.',
  ),
  burstSeconds: gauge(
    'drive_throttle_burst_seconds',
    ['vm', 'drive'],
    'How long a burst may last; only with one.',
  ),
}
export const driveImage = {
  virtualBytes: gauge(
    'drive_image_virtual_bytes',
    ['vm', 'drive', 'depth'],
    'Size of the disk as the guest sees it (config, the header of a qcow2, the length of a raw image).',
  ),
  allocatedBytes: gauge(
    'drive_image_allocated_bytes',
    ['vm', 'drive', 'depth'],
    'What the image takes where it lies: the blocks of a file, a volume whole, of a thin one what is written (every 15 s at the soonest). Images of a depth above 0 may be under several drives.',
  ),
  fileBytes: gauge(
    'drive_image_file_bytes',
    ['vm', 'drive', 'depth'],
    'Length of the image file, holes included (every 15 s at the soonest).',
  ),
}

export const vmProcess = {
  readBytes: counter(
    'vm_process_read_bytes_total',
    ['vm'],
    'Bytes that the qemu process had fetched from storage (/proc/PID/io read_bytes).',
  ),
  writtenBytes: counter(
    'vm_process_written_bytes_total',
    ['vm'],
    'Bytes that the qemu process caused to be written; host-cached writes count when they dirty a page (/proc/PID/io write_bytes).',
  ),
  cancelledBytes: counter(
    'vm_process_cancelled_written_bytes_total',
    ['vm'],
    'Bytes of dirty pages that were dropped before they were written (/proc/PID/io cancelled_write_bytes).',
  ),
  cpuSeconds: counter(
    'vm_process_cpu_seconds_total',
    ['vm'],
    'User and system time of the qemu process (/proc/PID/stat).',
  ),
  majorFaults: counter(
    'vm_process_major_faults_total',
    ['vm'],
    'Page faults of the qemu process that waited for a disk (/proc/PID/stat): of the memory of its guest, too.',
  ),
  threads: gauge(
    'vm_process_threads',
    ['vm'],
    'Threads of the qemu process: its processors, and those that wait for I/O (/proc/PID/stat).',
  ),
  descriptors: gauge(
    'vm_process_open_fds',
    ['vm'],
    'Files, sockets and queues that the qemu process has open (/proc/PID/fd, every 15 s at the soonest).',
  ),
  descriptorLimit: gauge(
    'vm_process_max_fds',
    ['vm'],
    'How many it may have open (/proc/PID/limits, every 15 s at the soonest); absent without a limit.',
  ),
  residentBytes: gauge(
    'vm_process_resident_memory_bytes',
    ['vm'],
    'Resident memory of the qemu process (/proc/PID/status VmRSS).',
  ),
  proportionalBytes: gauge(
    'vm_process_proportional_memory_bytes',
    ['vm'],
    'What the qemu process takes of the host, a page of n processes as 1/n (/proc/PID/smaps_rollup Pss, every 15 s at the soonest).',
  ),
  anonymousBytes: gauge(
    'vm_process_proportional_anonymous_memory_bytes',
    ['vm'],
    'Of that, without files: the memory of the guest and of qemu itself (Pss_Anon, every 15 s at the soonest).',
  ),
}

export const vmMemory = gauge(
  'vm_memory_bytes',
  ['vm'],
  'Memory that the vm was given (config), before any balloon.',
)
export const balloon = {
  targetBytes: gauge(
    'vm_balloon_target_bytes',
    ['vm'],
    'What the guest is to be left with now; only of vms with a balloon.',
  ),
  actualBytes: gauge(
    'vm_balloon_actual_bytes',
    ['vm'],
    'What the balloon leaves the guest (QMP query-balloon).',
  ),
}
export const guestMemory = {
  totalBytes: gauge(
    'guest_memory_total_bytes',
    ['vm'],
    'Memory that the kernel of the guest uses, as its balloon driver says; absent until it has.',
  ),
  freeBytes: gauge('guest_memory_free_bytes', ['vm'], 'Free memory in the guest, likewise.'),
  availableBytes: gauge(
    'guest_memory_available_bytes',
    ['vm'],
    'Memory that the guest could have without swapping, likewise.',
  ),
  diskCachesBytes: gauge(
    'guest_memory_disk_caches_bytes',
    ['vm'],
    'Page cache of the guest, likewise.',
  ),
  majorFaults: counter(
    'guest_memory_major_faults_total',
    ['vm'],
    'Page faults of the guest that waited for a disk, likewise.',
  ),
  updatedTime: gauge(
    'guest_memory_last_update_time_seconds',
    ['vm'],
    'When the balloon driver of the guest answered last, as Unix time.',
  ),
}

export const vmDevice = io(
  'vm_device',
  ['vm', 'device'],
  "by the vm's cgroup on this device (io.stat, or blkio.throttle.*_recursive, which counts bios)",
  READ_WRITE,
)

export const vmPressure = {
  waiting: counter(
    'vm_pressure_io_waiting_seconds_total',
    ['vm'],
    "Time in which at least one task of the vm's cgroup waited for I/O (io.pressure some, cgroup v2).",
  ),
  stalled: counter(
    'vm_pressure_io_stalled_seconds_total',
    ['vm'],
    "Time in which all tasks of the vm's cgroup waited for I/O at once (io.pressure full, cgroup v2).",
  ),
}

export const device = io('device', ['device'], 'as the host has it (/proc/diskstats)', EACH)
export const tierClient = io(
  'tier_client',
  ['tier'],
  'by the client of the network filesystem (NFS: /proc/self/mountstats; Lustre: llite stats)',
  [
    ...['readsCompleted', 'readBytes', 'readSeconds', 'writesCompleted', 'writtenBytes'],
    ...['writeSeconds', 'flushes', 'flushSeconds'],
  ] as const,
)
export const deviceUnattributed = io(
  'device_unattributed',
  ['device'],
  'beyond what all vms account for: the journal, writeback, neighbours (one-second sampler)',
  READ_WRITE,
)
export const deviceTransactions = histogram(
  'device_transactions_per_second',
  ['device'],
  'Reads, writes and discards completed in one second, sampled each second.',
)
export const vmTransactions = histogram(
  'vm_transactions_per_second',
  ['vm'],
  'Reads, writes and flushes that the vm asked of qemu in one second, sampled each second; flushes of nvme drives are not counted by qemu.',
)

export const iostat = {
  reads: gauge('iostat_reads_per_second', ['device'], 'iostat r/s over its last second.'),
  writes: gauge('iostat_writes_per_second', ['device'], 'iostat w/s over its last second.'),
  readBytes: gauge(
    'iostat_read_bytes_per_second',
    ['device'],
    'iostat rkB/s over its last second.',
  ),
  writtenBytes: gauge(
    'iostat_written_bytes_per_second',
    ['device'],
    'iostat wkB/s over its last second.',
  ),
  readAwait: gauge('iostat_read_await_seconds', ['device'], 'iostat r_await over its last second.'),
  writeAwait: gauge(
    'iostat_write_await_seconds',
    ['device'],
    'iostat w_await over its last second.',
  ),
  flushAwait: gauge(
    'iostat_flush_await_seconds',
    ['device'],
    'iostat f_await over its last second.',
  ),
  queueLength: gauge('iostat_queue_length', ['device'], 'iostat aqu-sz over its last second.'),
  util: gauge(
    'iostat_util_ratio',
    ['device'],
    'iostat %util over its last second; no saturation measure on devices that serve requests in parallel.',
  ),
}

// What is joined to what.

export const deviceInfo = gauge(
  'device_info',
  [
    'device',
    'major',
    'minor',
    'kind',
    'name',
    'vg_name',
    'lv_name',
    'lv_layer',
    'level',
    'rotational',
    'leaf',
  ],
  '1; leaf="true" marks the bottom of a stack, so that a sum counts each transaction once. name is that of the device mapper, level that of md; what a device does not have is empty.',
)
export const deviceParentInfo = gauge(
  'device_parent_info',
  ['device', 'parent'],
  '1; the device that this one stands on: a disk under a partition, the file system under a loop file.',
)
export const deviceLeafInfo = gauge(
  'device_leaf_info',
  ['device', 'leaf'],
  '1; a device at the bottom of the stack that this one stands on; a leaf stands on itself.',
)
export const driveImageInfo = gauge(
  'drive_image_info',
  ['vm', 'drive', 'depth', 'image', 'format', 'filesystem', 'mountpoint', 'device'],
  '1; the image of a drive (depth 0) and those under it (1, 2, ...), and what it lies on. device is empty on tmpfs, overlay, a network and a btrfs of several devices.',
)
export const tierInfo = gauge(
  'tier_info',
  ['tier', 'kind', 'filesystem', 'directory', 'target', 'found'],
  '1; one a tier. found="true": not in the config, but a vm that kvmio did not start has a drive there.',
)
export const tierDeviceInfo = gauge(
  'tier_device_info',
  ['tier', 'device'],
  '1; the block device that the tier stands on.',
)
export const vmInfo = gauge(
  'vm_info',
  ['vm', 'manager', 'study', 'case', 'slot', 'guest', 'system', 'workload', 'accelerator'],
  '1; one a vm, until its study ends. manager is who started it: kvmio, libvirt, proxmox or other; of a vm that kvmio did not start the study and what it was made from are empty, and it is gone with its qemu.',
)
export const driveInfo = gauge(
  'drive_info',
  [
    'vm',
    'drive',
    'tier',
    'bus',
    'format',
    'preallocation',
    'cluster_size',
    'lazy_refcounts',
    'extended_l2',
    'backing',
    'cache',
    'aio',
    'discard',
    'detect_zeroes',
    'iothread',
    'queues',
    'throttle',
    'pci',
  ],
  '1; one a drive, until its study ends. An option that its bus or format does not have, that is left to qemu, or that is not known of a vm that kvmio did not start, is empty. Of a drive with bus="passthrough" the guest alone has counters, kvmio_guest_disk_*.',
)
export const runInfo = gauge(
  'run_info',
  ['study', 'case', 'block', 'run'],
  '1; the run that goes on now.',
)

// Vms.

export const vmUp = gauge(
  'vm_up',
  ['vm'],
  '1 while the qemu process runs and answers, 0 when it does not; absent where no QMP socket of the vm is named, for then nobody has asked.',
)
export const vmLastAnswer = gauge(
  'vm_last_answer_time_seconds',
  ['vm'],
  'When the qemu process last answered anything over QMP, Unix time: how fresh its figures are.',
)
export const vmOutcome = gauge(
  'vm_outcome',
  ['vm', 'outcome'],
  '1; how the last run of the vm ended: passed, failed or abandoned. Stays until the study ends.',
)
export const vmPhase = gauge(
  'vm_phase',
  ['vm', 'phase'],
  '1 for the phase that the workload is in.',
)
export const vmPhaseStart = gauge(
  'vm_phase_start_time_seconds',
  ['vm', 'phase'],
  'When the phase began, as Unix time.',
)
export const vmDemand = {
  samples: counter(
    'vm_demand_samples_total',
    ['vm', 'tier', 'basis'],
    'One-second samples of demand. basis is how it is known: operations (asked of qemu, times their cost on a tier that is calibrated or rated, of direct drives) or device (time that the device was busy, times the share of its operations that the cgroup of the vm had). A vm has one basis on a tier.',
  ),
  seconds: counter(
    'vm_demand_seconds_total',
    ['vm', 'tier', 'basis'],
    'Device-seconds that the vm asked for, summed over samples: over samples_total, the mean.',
  ),
  squaredSeconds: counter(
    'vm_demand_squared_seconds_total',
    ['vm', 'tier', 'basis'],
    'Squares of the samples, summed: for the variance.',
  ),
}

// Tiers.

export const tierAvailable = gauge(
  'tier_available',
  ['tier'],
  '1 when vms can be put on the tier, 0 when this host cannot have it.',
)
export const tierVms = gauge('tier_vms', ['tier'], 'Vms that run on the tier now.')
export const tierTargetLatency = gauge(
  'tier_target_latency_seconds',
  ['tier'],
  'The latency that the tier must keep (config).',
)
export const tierCapacity = gauge(
  'tier_capacity_transactions_per_second',
  ['tier', 'source', 'class'],
  'What the tier can serve; source="rated" comes from the config, source="calibrated" is what fio measured, at the target latency.',
)
export const tierPeak = gauge(
  'tier_peak_transactions_per_second',
  ['tier', 'source', 'class'],
  'What the tier serves at the most, however long each operation then waits (X_inf).',
)
export const tierBaseLatency = gauge(
  'tier_base_latency_seconds',
  ['tier', 'source', 'class'],
  'How long an operation takes that waits for no other (R0).',
)
export const tierCapacityBytes = gauge(
  'tier_capacity_bytes_per_second',
  ['tier', 'source', 'class'],
  'Bytes that the tier moves in a second at the most.',
)
export const tierCalibrationResidual = gauge(
  'tier_calibration_residual_ratio',
  ['tier', 'class'],
  'How far the measured latencies lie from the line R0 + Q / X_inf, at the most, as a share of them.',
)
export const tierCalibrationTime = gauge(
  'tier_calibration_time_seconds',
  ['tier'],
  'When the calibration in force ended, Unix time.',
)
export const tierOperationCost = gauge(
  'tier_operation_cost_seconds',
  ['tier', 'source', 'class'],
  'Device time that one operation costs.',
)
export const tierSpace = {
  size: gauge(
    'tier_space_size_bytes',
    ['tier'],
    'Size of what the tier stands on (statfs, vgs, the device).',
  ),
  free: gauge('tier_space_free_bytes', ['tier'], 'Free space on it (statfs, vgs, lvs).'),
  available: gauge(
    'tier_space_available_bytes',
    ['tier'],
    'Free space for users that are not root (statfs, vgs, lvs).',
  ),
}
export const tierDemand = {
  samples: counter(
    'tier_demand_samples_total',
    ['tier', 'basis'],
    'One-second samples of the demand of all vms on the tier whose demand has this basis.',
  ),
  seconds: counter(
    'tier_demand_seconds_total',
    ['tier', 'basis'],
    'Device-seconds that these vms asked for, summed over samples.',
  ),
  squaredSeconds: counter(
    'tier_demand_squared_seconds_total',
    ['tier', 'basis'],
    'Squares of the samples, summed.',
  ),
}

// Density.

export const density = {
  demandMean: gauge(
    'density_demand_mean_ratio',
    ['tier', 'guest', 'source'],
    'Device-seconds that one vm of the guest asks of the tier in a second; source is stated (config) or journal.',
  ),
  demandDeviation: gauge(
    'density_demand_deviation_ratio',
    ['tier', 'guest', 'source'],
    'Standard deviation of the one-second samples of that demand.',
  ),
  demandCorrelation: gauge(
    'density_demand_correlation_ratio',
    ['tier', 'guest', 'source'],
    'Mean correlation of the demands of two vms, 0 to 1.',
  ),
  guestMemory: gauge(
    'density_guest_memory_bytes',
    ['guest'],
    'Memory of the host that one vm of the guest takes: its own and that of its qemu.',
  ),
  predicted: gauge(
    'density_predicted_vms',
    ['tier', 'guest', 'method'],
    'Vms that were predicted to fit before the last ramp.',
  ),
  measured: gauge(
    'density_measured_vms',
    ['tier', 'guest'],
    'Vms that met the target in the last ramp.',
  ),
  zScore: gauge(
    'density_z_score',
    [],
    'Standard deviations that the method sigma keeps free above the mean (config).',
  ),
  utilisationCap: gauge(
    'density_utilisation_cap_ratio',
    [],
    'Share of its peak that a tier may be filled to where no target latency says more (config).',
  ),
  cpuCap: gauge(
    'density_cpu_cap_ratio',
    [],
    'Share of its processors that the host may be filled to (config).',
  ),
  memoryReserve: gauge(
    'density_memory_reserve_bytes',
    [],
    'Memory that stays with the host (config).',
  ),
}

// The host: what density needs beside I/O.

export const host = {
  memoryTotal: gauge('host_memory_total_bytes', [], 'MemTotal of /proc/meminfo.'),
  memoryAvailable: gauge('host_memory_available_bytes', [], 'MemAvailable of /proc/meminfo.'),
  dirty: gauge(
    'host_memory_dirty_bytes',
    [],
    'Dirty of /proc/meminfo: written to the page cache, not yet to a device.',
  ),
  writeback: gauge(
    'host_memory_writeback_bytes',
    [],
    'Writeback of /proc/meminfo: on its way to a device.',
  ),
  cpus: gauge('host_cpus', [], 'Processors that are online.'),
  cpuSeconds: counter(
    'host_cpu_seconds_total',
    ['mode'],
    'Time of all processors by mode (/proc/stat).',
  ),
}

export const hostPressure = {
  cpuWaiting: counter(
    'host_pressure_cpu_waiting_seconds_total',
    [],
    'Time in which at least one task waited for a processor (/proc/pressure/cpu some).',
  ),
  ioWaiting: counter(
    'host_pressure_io_waiting_seconds_total',
    [],
    'Time in which at least one task waited for I/O (/proc/pressure/io some).',
  ),
  ioStalled: counter(
    'host_pressure_io_stalled_seconds_total',
    [],
    'Time in which all tasks that were not idle waited for I/O at once (/proc/pressure/io full).',
  ),
  memoryWaiting: counter(
    'host_pressure_memory_waiting_seconds_total',
    [],
    'Time in which at least one task waited for memory (/proc/pressure/memory some).',
  ),
  memoryStalled: counter(
    'host_pressure_memory_stalled_seconds_total',
    [],
    'Time in which all tasks that were not idle waited for memory at once (/proc/pressure/memory full).',
  ),
}

// Studies.

export const study = {
  running: gauge(
    'study_running',
    ['study'],
    '1 while the study runs, 0 while it rests between two runs.',
  ),
  runs: counter(
    'study_runs_total',
    ['study', 'outcome'],
    'Runs that ended, by outcome: passed, failed, abandoned, or void where the figures cannot be those of the case.',
  ),
  blocks: counter('study_blocks_total', ['study'], 'Blocks that ended and count: each case once.'),
  planned: gauge(
    'study_runs_planned',
    ['study'],
    'Runs that the study asks for in all; grows while its intervals are too wide. Absent for one without an end.',
  ),
  progress: gauge(
    'study_progress_ratio',
    ['study'],
    'Runs that passed or failed of those that are planned, 0 to 1; of an endless study of those of its block.',
  ),
  paused: gauge(
    'study_paused',
    ['study', 'reason'],
    '1 while the study waits before its next run: on request (kvmio pause), or until there is more space free than the floor.',
  ),
}
export const runPhaseDuration = histogram(
  'run_phase_duration_seconds',
  ['study', 'case', 'phase'],
  'How long a phase took, one observation a vm and run, by the guest clock.',
)
export const runLastPhaseDuration = gauge(
  'run_last_phase_duration_seconds',
  ['study', 'case', 'phase'],
  'How long the phase took in the last run that passed: the slowest vm.',
)

// kvmio itself.

export const collectorSuccess = gauge(
  'scrape_collector_success',
  ['collector'],
  '1 when the collector read its source, 0 when it did not.',
)
export const collectorSeconds = gauge(
  'scrape_collector_duration_seconds',
  ['collector'],
  'How long the collector took.',
)
export const scrapeErrors = counter(
  'scrape_errors_total',
  ['collector'],
  'Vms, devices and sources that could not be read.',
)
export const samplerErrors = counter(
  'sampler_errors_total',
  ['source'],
  'Readings that the one-second sampler missed.',
)
export const configReloadSuccessful = gauge(
  'config_last_reload_successful',
  [],
  '1 when the config in force is the one in the file.',
)
export const configReloadTime = gauge(
  'config_last_reload_success_timestamp_seconds',
  [],
  'When the config was last taken over, as Unix time.',
)
export const webConfigReloadSuccessful = gauge(
  'web_config_last_reload_successful',
  [],
  '1 when TLS and users are those of the web config and of the files that it names.',
)
export const webConfigReloadTime = gauge(
  'web_config_last_reload_success_timestamp_seconds',
  [],
  'When the web config or a file that it names was last taken over, as Unix time.',
)
export const webCertificateExpiry = gauge(
  'web_certificate_expiry_timestamp_seconds',
  [],
  'When the certificate that is shown to clients expires, as Unix time.',
)
export const buildInfo = gauge(
  'build_info',
  ['version', 'nodeversion', 'platform', 'arch'],
  '1; what runs here.',
)
