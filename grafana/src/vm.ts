import { MappingType } from '@grafana/grafana-foundation-sdk/dashboard'
import * as m from '../../src/metrics/catalog.ts'
import { phases, runs } from './annotations.ts'
import type { Page } from './dashboard.ts'
import { linkTo } from './links.ts'
import { bigNumber, distribution, phaseTimeline, rowsOf, timeSeries } from './panels.ts'
import { inPhase } from './phase.ts'
import {
  buckets,
  HOST,
  part,
  type Query,
  quantile,
  query,
  rate,
  ratio,
  series,
  sumBy,
} from './query.ts'
import { STATUS } from './style.ts'
import * as variables from './variables.ts'

const VM = { vm: '$vm' }
const OF = { vm: '$vm', drive: '$drive' }
const GONE =
  'The vm does not run: its series ended with its qemu. Choose a time range in which it ran.'

const PASSTHROUGH =
  'Nothing here: the vm does not run, or its drives are passed through, and qemu does not see them.'

// The state of the vm.

const up = bigNumber({
  title: 'State',
  description:
    'Whether the qemu process runs and answers over QMP. Worry when it is down while a phase is shown: the vm hangs or has died.',
  unit: 'count',
  empty: 'No QMP socket of this vm is named, so that nobody has asked.',
  query: query(`max(${series(m.vmUp, VM)})`, 'vm'),
  steps: [
    [null, STATUS.none],
    [1, STATUS.good],
  ],
  mappings: [
    {
      type: MappingType.ValueToText,
      options: { '0': { text: 'off', index: 0 }, '1': { text: 'running', index: 1 } },
    },
  ],
})

const what = rowsOf({
  title: 'What it is',
  description:
    'What started the vm and what it was made from. The accelerator matters to every figure: what was measured under tcg (emulation) is not to be compared with kvm.',
  unit: 'text',
  labels: {
    instance: 'instance',
    manager: 'manager',
    study: 'study',
    case: 'case',
    guest: 'guest',
    system: 'system',
    workload: 'workload',
    accelerator: 'accelerator',
  },
  cellLinks: { study: linkTo('study', ['study'], true) },
  columns: [
    {
      expr: `count by (job, instance, manager, study, case, guest, system, workload, accelerator) (${series(m.vmInfo, VM)})`,
      unit: 'count',
    },
  ],
})

const phase = phaseTimeline({
  title: 'Phases',
  description:
    'What the workload was doing, as the guest itself said. A phase that is not one of kvmio’s own shows as other. Worry about a boot that does not end: its console is in the state directory, and `kvmio run` prints its last lines.',
  empty: 'The guest has not reported a phase: it does not run, or kvmio did not start it.',
  query: query(inPhase(VM), '{{vm}}'),
})

const drives = rowsOf({
  title: 'Drives',
  description:
    'Every option of every drive: what qemu was told, empty where the bus or format has no such option or where it is left to qemu. The study compares these; two runs are only comparable when cache gives the same durability.',
  unit: 'text',
  labels: {
    drive: 'drive',
    tier: 'tier',
    bus: 'bus',
    format: 'format',
    preallocation: 'preallocation',
    cluster_size: 'cluster size',
    lazy_refcounts: 'lazy refcounts',
    extended_l2: 'extended l2',
    backing: 'backing',
    cache: 'cache',
    aio: 'aio',
    discard: 'discard',
    detect_zeroes: 'detect zeroes',
    iothread: 'iothread',
    queues: 'queues',
    throttle: 'throttle',
    pci: 'pci',
  },
  cellLinks: { tier: linkTo('tiers', ['tier'], true) },
  columns: [
    {
      expr: `count by (job, instance, ${m.driveInfo.labels.filter((label) => label !== 'vm').join(', ')}) (${series(m.driveInfo, OF)})`,
      unit: 'count',
    },
  ],
})

// Layer by layer.

const g = m.guestDisk
const d = m.drive
const one = ['vm']

const guestOperations = timeSeries({
  title: 'Guest: operations',
  description:
    'Reads, writes and flushes as the guest’s own /proc/diskstats counts them, after its page cache and its scheduler. A guest of kvmio’s counts a flush as a write too.',
  unit: 'transactions',
  empty: 'The guest reports no counters: it does not run, or kvmio did not start it.',
  queries: rwf(g.readsCompleted, g.writesCompleted, g.flushes),
})
const guestBytes = timeSeries({
  title: 'Guest: bytes',
  description:
    'Bytes read and written as the guest sees them. With direct I/O the same as at qemu; what its page cache holds back comes later.',
  unit: 'bytesPerSecond',
  empty: 'The guest reports no counters: it does not run, or kvmio did not start it.',
  queries: rwf(g.readBytes, g.writtenBytes),
})
const guestLatency = timeSeries({
  title: 'Guest: latency',
  description:
    'Mean time of a request in the guest’s block layer: everything below it is included, also the exits to qemu. What it has above qemu’s latency is the cost of the bus and of a busy processor.',
  unit: 'seconds',
  empty: 'No request was completed, or the guest reports no counters.',
  queries: [
    query(mean(g.readSeconds, g.readsCompleted), 'read'),
    query(mean(g.writeSeconds, g.writesCompleted), 'write'),
    query(mean(g.flushSeconds, g.flushes), 'flush'),
  ],
})

const qemuOperations = timeSeries({
  title: 'qemu: operations',
  description:
    'What the vm asked of qemu, by QMP query-blockstats: the truth about what the vm wants, whatever the host’s cache does with it. Flushes of nvme drives are not counted by qemu.',
  unit: 'transactions',
  empty: PASSTHROUGH,
  queries: rwf(d.readsCompleted, d.writesCompleted, d.flushes),
})
const qemuBytes = timeSeries({
  title: 'qemu: bytes',
  description: 'Bytes that the vm read and wrote through qemu.',
  unit: 'bytesPerSecond',
  empty: PASSTHROUGH,
  queries: rwf(d.readBytes, d.writtenBytes),
})
const qemuLatency = timeSeries({
  title: 'qemu: latency',
  description:
    'Mean time from qemu’s taking a request to its completion: the image format and the host below. Worry when writes or flushes stay above the target latency of the tier.',
  unit: 'seconds',
  empty: 'No request was completed, or qemu does not see the drive.',
  queries: [
    query(mean(d.readSeconds, d.readsCompleted), 'read'),
    query(mean(d.writeSeconds, d.writesCompleted), 'write'),
    query(mean(d.flushSeconds, d.flushes), 'flush'),
  ],
})

const p = m.vmProcess
const processBytes = timeSeries({
  title: 'Process: bytes',
  description:
    'Bytes that the kernel fetched and was given to write for the qemu process (/proc/PID/io). A host-cached write counts when it dirties a page, before it reaches a device.',
  unit: 'bytesPerSecond',
  empty: GONE,
  queries: [
    query(sumBy(one, rate(p.readBytes, VM)), 'read'),
    query(sumBy(one, rate(p.writtenBytes, VM)), 'write'),
  ],
})
const processFaults = timeSeries({
  title: 'Process: faults that waited for a disk',
  description:
    'Major page faults of the qemu process. Worry when they last: the host swaps the memory of the guest, and every latency above this layer contains the swap device.',
  unit: 'perSecond',
  empty: GONE,
  queries: [query(sumBy(one, rate(p.majorFaults, VM)), 'major faults')],
})
const processThreads = timeSeries({
  title: 'Process: threads and descriptors',
  description:
    'Threads of qemu: its processors, and those that wait for I/O with aio = threads (64 at the most). Many mean a deep queue. Open files should stay far below their limit.',
  unit: 'count',
  empty: GONE,
  queries: [
    query(sumBy(one, series(p.threads, VM)), 'threads'),
    query(sumBy(one, series(p.descriptors, VM)), 'open files'),
  ],
})

/** On devices at the bottom of a stack, and on disks of several paths, which the paths' cgroups do not know. */
const LEAVES = `on (${HOST}, device) (${series(m.deviceInfo, { leaf: 'true' })} or ${series(m.deviceInfo, { kind: 'disk' })})`
const vmRate = (family: (typeof m.vmDevice)[keyof typeof m.vmDevice]) =>
  `(${rate(family, VM)} and ${LEAVES})`
const NO_CGROUP =
  'No cgroup tells the vm’s share: it does not run, or the host’s cgroup has no io controller.'

const deviceOperations = timeSeries({
  title: 'Device: operations',
  description:
    'Transactions that the devices at the bottom of the stack did for this vm, by its cgroup. Host-cached writes are absent on cgroup v1: compare with what nobody accounts for on the dashboard of the device.',
  unit: 'transactions',
  empty: NO_CGROUP,
  links: [linkTo('device', ['device'])],
  queries: [
    query(sumBy(['device'], vmRate(m.vmDevice.readsCompleted)), 'read {{device}}'),
    query(sumBy(['device'], vmRate(m.vmDevice.writesCompleted)), 'write {{device}}'),
  ],
})
const deviceBytes = timeSeries({
  title: 'Device: bytes',
  description:
    'Bytes that the devices moved for this vm. More than qemu’s means the format’s metadata and read-ahead; less, the host’s cache.',
  unit: 'bytesPerSecond',
  empty: NO_CGROUP,
  links: [linkTo('device', ['device'])],
  queries: [
    query(sumBy(['device'], vmRate(m.vmDevice.readBytes)), 'read {{device}}'),
    query(sumBy(['device'], vmRate(m.vmDevice.writtenBytes)), 'write {{device}}'),
  ],
})
const under = `and on (${HOST}, device) group by (${HOST}, device) (${series(m.vmDevice.readsCompleted, VM)} and ${LEAVES})`
const awaitOf = (seconds: typeof m.device.readSeconds, completed: typeof m.device.readsCompleted) =>
  ratio(
    sumBy(['device'], `${rate(seconds)} ${under}`),
    sumBy(['device'], `${rate(completed)} ${under}`),
  )
const deviceLatency = timeSeries({
  title: 'Device: latency',
  description:
    'Mean time of a request at the devices that the vm uses, of all who use them: the kernel does not tell it for one. When this is low and qemu’s is high, the time is spent in the image format, the filesystem or a throttle.',
  unit: 'seconds',
  empty: NO_CGROUP,
  links: [linkTo('device', ['device'])],
  queries: [
    query(awaitOf(m.device.readSeconds, m.device.readsCompleted), 'read {{device}}'),
    query(awaitOf(m.device.writeSeconds, m.device.writesCompleted), 'write {{device}}'),
    query(awaitOf(m.device.flushSeconds, m.device.flushes), 'flush {{device}}'),
  ],
})

// Between the layers.

const layeredOperations = timeSeries({
  title: 'Operations, layer upon layer',
  description:
    'All reads and writes at each layer, and flushes where the layer counts them. What is lost from one to the next was held back by a cache or merged; what is added is the image format’s metadata or a filesystem’s journal.',
  unit: 'transactions',
  empty: GONE,
  queries: [
    query(sumBy(one, rate(g.readsCompleted, OF), rate(g.writesCompleted, OF)), 'guest'),
    query(
      sumBy(one, rate(d.readsCompleted, OF), rate(d.writesCompleted, OF), rate(d.flushes, OF)),
      'qemu',
    ),
    query(
      sumBy(one, vmRate(m.vmDevice.readsCompleted), vmRate(m.vmDevice.writesCompleted)),
      'device',
    ),
  ],
})
const layeredBytes = timeSeries({
  title: 'Bytes, layer upon layer',
  description:
    'Bytes read and written at each layer. Lines that lie upon one another are direct I/O; a process line without a device line is data in the host’s page cache, which the device has still before it.',
  unit: 'bytesPerSecond',
  empty: GONE,
  queries: [
    query(sumBy(one, rate(g.readBytes, OF), rate(g.writtenBytes, OF)), 'guest'),
    query(sumBy(one, rate(d.readBytes, OF), rate(d.writtenBytes, OF)), 'qemu'),
    query(sumBy(one, rate(p.readBytes, VM), rate(p.writtenBytes, VM)), 'process'),
    query(sumBy(one, vmRate(m.vmDevice.readBytes), vmRate(m.vmDevice.writtenBytes)), 'device'),
  ],
})
const layeredLatency = timeSeries({
  title: 'Latency of writes, layer upon layer',
  description:
    'Mean time of a write as each layer has it. The distance between two lines is spent between them: guest to qemu the bus and the processors, qemu to device the image format, the filesystem and the wait of other vms.',
  unit: 'seconds',
  empty: 'No write was completed in this time range.',
  queries: [
    query(mean(g.writeSeconds, g.writesCompleted), 'guest'),
    query(mean(d.writeSeconds, d.writesCompleted), 'qemu'),
    query(
      ratio(
        `sum(${rate(m.device.writeSeconds)} ${under})`,
        `sum(${rate(m.device.writesCompleted)} ${under})`,
      ),
      'device',
    ),
  ],
})

const qemuAll = sumBy(
  one,
  rate(d.readsCompleted, VM),
  rate(d.writesCompleted, VM),
  rate(d.flushes, VM),
)
const amplification = timeSeries({
  title: 'Host operations per guest operation',
  description:
    'Device transactions for each operation that the vm asked of qemu. 1 is a raw image with direct I/O; above it the format’s metadata and flushes, below it a cache or merging. Worry when it grows within one case: fragmentation, or an image that has begun to allocate.',
  unit: 'count',
  decimals: 2,
  empty: 'The vm asked for nothing, or no cgroup tells its share of the device.',
  queries: [
    query(
      ratio(
        sumBy(one, vmRate(m.vmDevice.readsCompleted), vmRate(m.vmDevice.writesCompleted)),
        qemuAll,
      ),
      'device transactions per operation',
    ),
  ],
})
const byteAmplification = timeSeries({
  title: 'Bytes per byte that the vm wrote',
  description:
    'What the process and the devices wrote for each byte that the vm wrote through qemu. With direct I/O both are 1 or a little more. A device that writes less than the vm for long means that the host still holds dirty pages: the figures of that run are not finished.',
  unit: 'count',
  decimals: 2,
  empty: 'The vm wrote nothing.',
  queries: [
    query(
      ratio(sumBy(one, rate(p.writtenBytes, VM)), sumBy(one, rate(d.writtenBytes, VM))),
      'process',
    ),
    query(
      ratio(sumBy(one, vmRate(m.vmDevice.writtenBytes)), sumBy(one, rate(d.writtenBytes, VM))),
      'device',
    ),
  ],
})
const bursts = distribution({
  title: 'One-second bursts',
  description:
    'How many seconds had how many operations, sampled each second at qemu. A few cells far above the rest are what the vms beside it feel.',
  unit: 'transactions',
  empty: GONE,
  buckets: buckets(m.vmTransactions, VM),
})

const latencies = (['read', 'write', 'flush'] as const).map((operation) => {
  const family = m.driveLatency[operation]
  const none = `No ${operation} in this time range.`
  const many = operation === 'flush' ? 'flushes' : `${operation}s`
  return {
    heat: distribution({
      title: `Latency of ${many}`,
      description: `How long each ${operation} took at qemu, counted by qemu itself: every request is in a cell, none is sampled. Two bands are two ways to be served, mostly a cache and the device below it. Worry about a band above the target latency of the tier.`,
      unit: 'seconds',
      empty: none,
      buckets: buckets(family, OF),
    }),
    quantiles: timeSeries({
      title: `Latency of ${many}: p50, p95, p99`,
      description: `Quantiles of the same histogram, interpolated within its buckets, and the exact mean. A p99 far above the p50 is what a user of the vm notices, whatever the mean says.`,
      unit: 'seconds',
      empty: none,
      queries: [
        ...[50, 95, 99].map((percent) =>
          query(quantile(percent / 100, one, family, OF), `p${percent}`),
        ),
        query(
          ratio(
            sumBy(one, rate(part(family, 'sum'), OF)),
            sumBy(one, rate(part(family, 'count'), OF)),
          ),
          'mean',
        ),
      ],
    }),
  }
})

const failed = timeSeries({
  title: 'Failed and invalid operations',
  description:
    'Operations that failed at the host (a device error, a full tier) or that the guest asked for outside the disk. Worry about any: a run with failures measures the failure.',
  unit: 'perSecond',
  empty: PASSTHROUGH,
  queries: [
    query(sumBy(['operation'], rate(m.driveFailed, OF)), '{{operation}}s failed'),
    query(sumBy(['operation'], rate(m.driveInvalid, OF)), '{{operation}}s invalid'),
  ],
})
const throttled = timeSeries({
  title: 'Operations against the throttle',
  description:
    'Reads and writes beside the limit that the config sets for the drive, where it sets one. At the limit, latency is the throttle’s, not the tier’s.',
  unit: 'transactions',
  empty: PASSTHROUGH,
  queries: [
    query(sumBy(['drive'], rate(d.readsCompleted, OF), rate(d.writesCompleted, OF)), '{{drive}}'),
    query(sumBy(['drive'], series(m.driveThrottle.operations, OF)), 'limit of {{drive}}'),
  ],
})
const images = timeSeries({
  title: 'Images',
  description:
    'What the image of each drive takes on its tier, and how large the disk is that the guest sees. An image that grows towards that limit fills the tier later: density counts with the whole disk.',
  unit: 'bytes',
  empty: GONE,
  queries: [
    query(
      sumBy(['drive', 'depth'], series(m.driveImage.allocatedBytes, OF)),
      '{{drive}} (depth {{depth}}) allocated',
    ),
    query(
      sumBy(['drive'], series(m.driveImage.virtualBytes, { ...OF, depth: '0' })),
      'limit of {{drive}}',
    ),
  ],
})

// Memory and processor.

const memory = timeSeries({
  title: 'Memory on the host',
  description:
    'What the vm was given, what its qemu has resident, and what it takes of the host with shared pages divided among those who share them. Density counts the last. Worry when resident is far below given and faults rise: the host is swapping.',
  unit: 'bytes',
  empty: GONE,
  queries: [
    query(sumBy(one, series(m.vmMemory, VM)), 'limit (given)'),
    query(sumBy(one, series(p.residentBytes, VM)), 'resident'),
    query(sumBy(one, series(p.proportionalBytes, VM)), 'proportional'),
    query(sumBy(one, series(p.anonymousBytes, VM)), 'proportional, without files'),
  ],
})
const balloonPanel = timeSeries({
  title: 'Memory in the guest, and the balloon',
  description:
    'What the guest has free, available and as page cache, as its balloon driver says, beside what the balloon leaves it and is to leave it. Worry when available nears 0 or actual does not follow the target: the guest cannot give more back.',
  unit: 'bytes',
  empty: 'The vm has no balloon, or its driver has not answered yet.',
  queries: [
    query(sumBy(one, series(m.balloon.targetBytes, VM)), 'target of the balloon'),
    query(sumBy(one, series(m.balloon.actualBytes, VM)), 'left by the balloon'),
    query(sumBy(one, series(m.guestMemory.totalBytes, VM)), 'total'),
    query(sumBy(one, series(m.guestMemory.availableBytes, VM)), 'available'),
    query(sumBy(one, series(m.guestMemory.freeBytes, VM)), 'free'),
    query(sumBy(one, series(m.guestMemory.diskCachesBytes, VM)), 'page cache'),
  ],
})
const cpu = timeSeries({
  title: 'Processor',
  description:
    'Processors that the qemu process keeps busy. A vm that takes all of its processors while its disk idles is limited by emulation, not by storage: its run says nothing about the tier.',
  unit: 'count',
  decimals: 2,
  empty: GONE,
  queries: [query(sumBy(one, rate(p.cpuSeconds, VM)), 'processors busy')],
})
const pressure = timeSeries({
  title: 'Pressure of I/O',
  description:
    'Share of the time in which some or all tasks of the vm’s cgroup waited for I/O (cgroup v2). It does not see aio = native or io_uring, whose threads sleep elsewhere: a low value proves nothing there.',
  unit: 'ratio',
  empty: 'cgroup v1 does not tell pressure by vm.',
  queries: [
    query(sumBy(one, rate(m.vmPressure.waiting, VM)), 'some waited'),
    query(sumBy(one, rate(m.vmPressure.stalled, VM)), 'all waited'),
  ],
})

function rwf(...families: Parameters<typeof rateOfDrive>[0][]): Query[] {
  return families.map((family, index) =>
    query(sumBy(one, rateOfDrive(family)), ['read', 'write', 'flush'][index]!),
  )
}

function rateOfDrive(family: typeof g.readsCompleted | typeof d.readsCompleted): string {
  return rate(family as typeof d.readsCompleted, OF)
}

function mean(seconds: Parameters<typeof rateOfDrive>[0], completed: typeof seconds): string {
  return ratio(sumBy(one, rateOfDrive(seconds)), sumBy(one, rateOfDrive(completed)))
}

/** The layers of one vm, one above the other. */
export const vmPage: Page = {
  name: 'vm',
  description:
    'One vm at every layer: what its guest, qemu, the process and the devices did, how long it took, and which options its drives have.',
  from: 'now-30m',
  variables: [...variables.targets(), variables.study(), variables.vm(true), variables.drive()],
  annotations: [runs({ study: '$study' }), phases(VM)],
  sections: [
    {
      title: '$vm',
      lines: [
        { height: 6, panels: [[up, 3], what] },
        { height: 5, panels: [phase] },
        { height: 6, panels: [drives] },
      ],
    },
    {
      title: 'All layers',
      lines: [{ height: 9, panels: [layeredOperations, layeredBytes, layeredLatency] }],
    },
    {
      title: 'Guest',
      lines: [{ height: 8, panels: [guestOperations, guestBytes, guestLatency] }],
    },
    { title: 'qemu', lines: [{ height: 8, panels: [qemuOperations, qemuBytes, qemuLatency] }] },
    {
      title: 'Process',
      lines: [{ height: 8, panels: [processFaults, processBytes, processThreads] }],
    },
    {
      title: 'Device',
      lines: [{ height: 8, panels: [deviceOperations, deviceBytes, deviceLatency] }],
    },
    {
      title: 'From layer to layer',
      lines: [{ height: 8, panels: [amplification, byteAmplification, bursts] }],
    },
    {
      title: 'Latency',
      lines: [
        ...latencies.map(({ heat, quantiles }) => ({ height: 8, panels: [heat, quantiles] })),
        { height: 7, panels: [failed, throttled, images] },
      ],
    },
    {
      title: 'Memory and processor',
      lines: [
        { height: 9, panels: [memory, balloonPanel] },
        { height: 7, panels: [cpu, pressure] },
      ],
    },
  ],
}
