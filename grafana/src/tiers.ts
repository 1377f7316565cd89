import { MappingType } from '@grafana/grafana-foundation-sdk/dashboard'
import * as m from '../../src/metrics/catalog.ts'
import { alertsFiring, alertTable } from './alerts.ts'
import { runs } from './annotations.ts'
import type { Page } from './dashboard.ts'
import { linkTo } from './links.ts'
import { bars, bigNumber, rowsOf, type Step, timeSeries } from './panels.ts'
import { HOST, part, query, rate, series, sumBy } from './query.ts'
import * as r from './recorded.ts'
import { STATUS } from './style.ts'
import * as variables from './variables.ts'

const OF = { tier: '$tier' }
const NO_HEADROOM =
  'Not known yet. What a vm costs has to be known: give the tier a capacity in kvmio.yaml or run `kvmio calibrate TIER`, then let a vm of the guest run on it for 5 minutes, or state its demand.'
const NO_CAPACITY =
  'No capacity is known: write capacity: { transactionsPerSecond } at the tier in kvmio.yaml, or measure it with `kvmio calibrate TIER`.'
const NO_TARGET =
  'No operations, or no target: write target: { latency } at the tier in kvmio.yaml.'

const FEW: Step[] = [
  [null, STATUS.bad],
  [1, STATUS.warning],
  [3, STATUS.good],
]
const OVER: Step[] = [
  [null, STATUS.good],
  [0.8, STATUS.warning],
  [1, STATUS.bad],
]

// The state of one tier.

const headroom = bigNumber({
  title: 'Headroom',
  description:
    'How many more vms of each guest fit: density by the method sigma less what runs. Below 1 the next vm would break the target; below 0 more run than fit. It falls with each vm that starts and with vms that ask for more than they did.',
  unit: 'count',
  decimals: 0,
  empty: NO_HEADROOM,
  shows: 'both',
  query: query(
    `min by (guest) (${series(r.density.headroom, { ...OF, method: 'sigma' })})`,
    '{{guest}}',
  ),
  steps: FEW,
})
const binding = bigNumber({
  title: 'What binds',
  description:
    'The constraint that lets the fewest vms be: io (the device’s time), boot (one vm booting beside the others), memory, space or cpu. More of anything else makes no room.',
  unit: 'count',
  empty: NO_HEADROOM,
  shows: 'name',
  query: query(
    `min by (guest, constraint) (${series(r.density.binding, OF)})`,
    '{{guest}}: {{constraint}}',
  ),
})
const running = bigNumber({
  title: 'Vms running',
  description: 'Vms that have a drive on the tier and run now, whoever started them.',
  unit: 'count',
  query: query(`sum(${series(m.tierVms, OF)})`, 'running'),
})
const booting = bigNumber({
  title: 'Booting',
  description:
    'Of them those in the phase boot. A boot asks the tier for several times what a vm asks later: see how many fit at once.',
  unit: 'count',
  query: query(`sum(${series(r.vms.booting, OF)}) or vector(0)`, 'booting'),
})
const saturated = bigNumber({
  title: 'Saturation',
  description:
    'Whether latency is above the target while more operations wait than the tier can use: both, over 5 minutes. Then vms are too many or ask for too much; stop some, or move them.',
  unit: 'count',
  empty: NO_TARGET,
  query: query(`max(${series(r.tiers.saturated, OF)})`, 'saturated'),
  steps: [
    [null, STATUS.good],
    [1, STATUS.bad],
  ],
  mappings: saturation(),
})

const methods = bars({
  title: 'Density by method',
  description:
    'How many vms fit in all. sigma keeps room for chance and counts; capped fills the tier to a fixed share; paper divides all of it by the mean and leaves no time free, so that latency would have no bound: for comparison alone; measured is what the last ramp came to. Worry when measured is far below sigma: calibrate again.',
  unit: 'count',
  decimals: 0,
  empty: NO_HEADROOM,
  queries: [
    query(`min by (guest, method) (${series(r.density.byMethod, OF)})`, '{{method}} ({{guest}})'),
  ],
})
const constraints = bars({
  title: 'Vms that fit, by constraint',
  description:
    'How many vms each resource alone would let be. The smallest binds; the next one says how much is won by having more of the first.',
  unit: 'count',
  decimals: 0,
  empty: NO_HEADROOM,
  queries: [
    query(
      `min by (guest, constraint) (${series(r.density.byConstraint, OF)})`,
      '{{constraint}} ({{guest}})',
    ),
    query(`min by (guest) (${series(r.density.boots, OF)})`, 'boots at once ({{guest}})'),
  ],
})
const utilisation = timeSeries({
  title: 'Utilisation against capacity',
  description:
    'Device-seconds that vms ask of the tier in a second, beside what it can give at its target latency. At the capacity latency reaches the target; above it grows without bound. Busy is the share of the time with any request, neighbours included; it is no measure of what is left.',
  unit: 'ratio',
  empty: NO_CAPACITY,
  queries: [
    query(sumBy(['instance'], series(r.tiers.used, OF)), 'asked, 5 min {{instance}}'),
    query(sumBy(['instance'], series(r.tiers.usedHour, OF)), 'asked, 1 h {{instance}}'),
    query(`max by (instance) (${series(r.tiers.busy, OF)})`, 'busy {{instance}}'),
    query(`min by (instance) (${series(r.tiers.capacity, OF)})`, 'capacity {{instance}}'),
  ],
})

const onTier = (family: typeof m.driveLatency.write) =>
  `(${rate(part(family, 'bucket'))} * on (${HOST}, vm, drive) group_left (tier) ${series(r.vms.tiers, OF)})`
const latency = timeSeries({
  title: 'Latency against target',
  description:
    'Mean latency of an operation on the tier, waiting included, beside the target of the config, and what the calibration promised for as many in flight; and the p99 of writes as the vms have it, which is what their users feel. Worry when the mean stays above the target while operations queue, or far above what was calibrated: the device has become slower.',
  unit: 'seconds',
  empty: NO_TARGET,
  queries: [
    query(`max by (instance) (${series(r.tiers.latency, OF)})`, 'mean {{instance}}'),
    query(
      `histogram_quantile(0.99, sum by (instance, le) (${onTier(m.driveLatency.write)}))`,
      'p99 of what vms wrote {{instance}}',
    ),
    query(`min by (instance) (${series(m.tierTargetLatency, OF)})`, 'target {{instance}}'),
    query(`max by (instance) (${series(r.tiers.calibrated, OF)})`, 'as calibrated {{instance}}'),
  ],
})
const queue = timeSeries({
  title: 'Queue against the knee',
  description:
    'Mean number of operations in flight, beside the knee: with as many the tier serves all that it can at its target. More only wait. A queue above the knee and latency above the target together are saturation.',
  unit: 'count',
  decimals: 1,
  empty: NO_CAPACITY,
  queries: [
    query(`max by (instance) (${series(r.tiers.queue, OF)})`, 'in flight {{instance}}'),
    query(`min by (instance) (${series(r.tiers.knee, OF)})`, 'limit (knee) {{instance}}'),
  ],
})
const operations = timeSeries({
  title: 'Operations against capacity',
  description:
    'Reads and writes per second on the tier, beside its capacity in force for each class of operations: calibrated where it was measured, else rated. Classes differ; the utilisation weighs them, this does not. Neighbours are what others do on the disk under a directory beyond their quiet level: worry when they take a good part of the capacity.',
  unit: 'transactions',
  empty: NO_CAPACITY,
  queries: [
    query(sumBy(['instance'], series(r.tiers.operations, OF)), 'operations {{instance}}'),
    query(sumBy(['instance'], series(r.tiers.neighbours, OF)), 'neighbours {{instance}}'),
    query(`min by (class) (${series(r.tiers.capacityByClass, OF)})`, 'capacity ({{class}})'),
  ],
})
const space = timeSeries({
  title: 'Space, and its forecast',
  description:
    'Space that is left on the tier, what is left in a day if the last 6 hours go on, and how much the thin images of the vms on it may yet grow by. Worry when the forecast nears 0, or when images may take more than is left: a full tier fails the writes of every vm on it, and studies pause before that.',
  unit: 'bytes',
  queries: [
    query(`min by (instance) (${series(m.tierSpace.available, OF)})`, 'available {{instance}}'),
    query(
      `clamp_min(min by (instance) (predict_linear(${series(m.tierSpace.available, OF)}[6h], 86400)), 0)`,
      'in a day {{instance}}',
    ),
    query(
      `max by (instance) (${series(r.tiers.unwritten, OF)})`,
      'images may yet take {{instance}}',
    ),
    query(`max by (instance) (${series(m.tierSpace.size, OF)})`, 'limit (size) {{instance}}'),
  ],
})
const memory = timeSeries({
  title: 'Memory of the host',
  description:
    'What is available, the room that vms may fill (what they have already included, the reserve not), and what they take. Where the taken nears the room, memory binds and not the tier.',
  unit: 'bytes',
  queries: [
    query(sumBy(['instance'], series(m.host.memoryAvailable)), 'available {{instance}}'),
    query(sumBy(['instance'], series(r.vms.memoryRoom)), 'limit (room for vms) {{instance}}'),
    query(sumBy(['instance'], series(m.vmProcess.proportionalBytes)), 'taken by vms {{instance}}'),
  ],
})
const cpu = timeSeries({
  title: 'Processors of the host',
  description:
    'Processors that vms keep busy, and the room that they may fill: the configured share less what other programs take. Where the taken nears the room, storage looks slow since nobody runs it.',
  unit: 'count',
  decimals: 2,
  empty: 'No vm has run for 5 minutes.',
  queries: [
    query(sumBy(['instance'], rate(m.vmProcess.cpuSeconds)), 'taken by vms {{instance}}'),
    query(sumBy(['instance'], series(r.vms.cpuRoom)), 'limit (room for vms) {{instance}}'),
  ],
})
const demand = timeSeries({
  title: 'Demand by vm',
  description:
    'Device-seconds per second that each vm asks of the tier, stacked up to what it can give. The vm that takes most of the tier is the broadest band; follow it to its layers.',
  unit: 'ratio',
  stacked: true,
  empty: NO_HEADROOM,
  links: [linkTo('vm', ['vm'])],
  queries: [
    query(`sum by (vm) (${series(r.demand.ofVm, OF)})`, '{{vm}}'),
    query(`min(${series(r.tiers.capacity, OF)})`, 'capacity'),
  ],
})
const devices = rowsOf({
  title: 'Devices of the tier',
  description:
    'The block devices that the tier stands on and the disks under them, with their transactions per second at the end of the time range. The name leads to iostat’s view of the device.',
  unit: 'count',
  empty: 'The tier stands on no block device of this host: a network filesystem, or memory.',
  labels: { instance: 'instance', device: 'device', leaf: 'disk' },
  cellLinks: {
    device: linkTo('device', ['instance', 'device'], true),
    leaf: linkTo('device', { instance: 'instance', device: 'leaf' }, true),
  },
  columns: [
    {
      name: 'tps',
      unit: 'transactions',
      decimals: 1,
      expr: `sum by (${HOST}, device) (${rate(m.device.readsCompleted)} + ${rate(m.device.writesCompleted)}) * on (${HOST}, device) group_right () (max by (${HOST}, device, leaf) (${series(m.deviceLeafInfo)}) and on (${HOST}, device) ${series(m.tierDeviceInfo, OF)})`,
    },
  ],
})

function saturation() {
  return [
    {
      type: MappingType.ValueToText as const,
      options: { '0': { text: 'no', index: 0 }, '1': { text: 'saturated', index: 1 } },
    },
  ]
}

// Side by side.

const BY_GUEST = `${HOST}, tier, guest`
const guests = rowsOf({
  title: 'Guests on tiers',
  description:
    'How many vms of each guest fit on each tier, what binds, and the demand that this is computed from: mean and deviation of one vm in device-seconds per second, and how much vms rise and fall together. Worry about a headroom below 1.',
  unit: 'count',
  empty: NO_HEADROOM,
  labels: {
    instance: 'instance',
    tier: 'tier',
    guest: 'guest',
    constraint: 'binds',
  },
  cellLinks: { tier: linkTo('tiers', ['instance', 'tier'], true) },
  columns: [
    {
      name: 'headroom',
      expr: `min by (${BY_GUEST}, constraint) (${series(r.density.binding, OF)})`,
      unit: 'count',
      steps: FEW,
    },
    ...(['sigma', 'capped', 'paper', 'measured'] as const).map((method) => ({
      name: method,
      expr: `min by (${BY_GUEST}) (${series(r.density.byMethod, { ...OF, method })})`,
      unit: 'count' as const,
    })),
    { name: 'demand', expr: `max by (${BY_GUEST}) (${series(r.demand.mean, OF)})`, unit: 'ratio' },
    {
      name: 'deviation',
      expr: `max by (${BY_GUEST}) (${series(r.demand.deviation, OF)})`,
      unit: 'ratio',
    },
    {
      name: 'correlation',
      expr: `max by (${BY_GUEST}) (${series(r.demand.correlation, OF)})`,
      unit: 'ratio',
    },
  ],
})
const BY_TIER = `${HOST}, tier`
const table = rowsOf({
  title: 'Tiers',
  description:
    'Every tier that the variables choose. Worry where the capacity is used up or latency is above the target; a tier that is not available was refused by the host, for a reason that the log names.',
  unit: 'count',
  labels: {
    instance: 'instance',
    tier: 'tier',
    kind: 'kind',
    filesystem: 'filesystem',
    directory: 'directory',
  },
  cellLinks: { tier: linkTo('tiers', ['instance', 'tier'], true) },
  columns: [
    {
      name: 'available',
      expr: `max by (${BY_TIER}) (${series(m.tierAvailable, OF)}) * on (${BY_TIER}) group_right () max by (${BY_TIER}, kind, filesystem, directory) (${series(m.tierInfo, OF)})`,
      unit: 'yesNo',
    },
    { name: 'vms', expr: byTier(m.tierVms), unit: 'count' },
    { name: 'capacity used', expr: byTier(r.tiers.capacityUsed), unit: 'ratio', steps: OVER },
    { name: 'latency / target', expr: byTier(r.tiers.overTarget), unit: 'ratio', steps: OVER },
    { name: 'latency', expr: byTier(r.tiers.latency), unit: 'seconds' },
    { name: 'operations', expr: byTier(r.tiers.operations), unit: 'transactions', decimals: 1 },
    { name: 'bytes', expr: byTier(r.tiers.bytes), unit: 'bytesPerSecond' },
    { name: 'space left', expr: byTier(m.tierSpace.available), unit: 'bytes' },
  ],
})

function byTier(family: typeof r.tiers.used): string {
  return `max by (${BY_TIER}) (${series(family, OF)})`
}

const headrooms = timeSeries({
  title: 'Headroom by tier',
  description:
    'How many more vms fit on each tier, of the guest of which the fewest do. A line that falls while no vm starts means that vms ask for more; a step is a vm that starts or ends.',
  unit: 'count',
  empty: NO_HEADROOM,
  queries: [
    query(
      `min by (instance, tier) (${series(r.density.headroom, { ...OF, method: 'sigma' })})`,
      '{{tier}} {{instance}}',
    ),
  ],
})
const useds = timeSeries({
  title: 'Capacity used by tier',
  description:
    'What vms ask of each tier as a share of what it can give at its target. Above 100 % the target cannot be kept. Tiers far apart say where the next vm should go.',
  unit: 'ratio',
  empty: NO_CAPACITY,
  queries: [
    query(`max by (instance, tier) (${series(r.tiers.capacityUsed, OF)})`, '{{tier}} {{instance}}'),
  ],
})
const overTargets = timeSeries({
  title: 'Latency over target by tier',
  description:
    'Mean latency of each tier as a share of its target. Above 100 % for longer than a boot the tier is too slow for what it is asked.',
  unit: 'ratio',
  empty: NO_TARGET,
  steps: [
    [null, 'transparent'],
    [1, STATUS.bad],
  ],
  queries: [
    query(`max by (instance, tier) (${series(r.tiers.overTarget, OF)})`, '{{tier}} {{instance}}'),
  ],
})

/** How full each tier is: the page to begin with. */
export const tiersPage: Page = {
  name: 'tiers',
  description:
    'How many vms fit on each storage tier, how many more, what binds, and whether a tier saturates now.',
  variables: [...variables.targets(), variables.tier()],
  annotations: [runs()],
  sections: [
    {
      title: 'Tier $tier',
      repeat: 'tier',
      lines: [
        {
          height: 5,
          panels: [
            [headroom, 6],
            [binding, 5],
            [running, 3],
            [booting, 3],
            [saturated, 4],
            [alertsFiring(OF), 3],
          ],
        },
        { height: 8, panels: [methods, utilisation, latency] },
        { height: 8, panels: [constraints, demand, queue] },
        { height: 8, panels: [operations, space, memory, cpu] },
        { height: 5, panels: [devices] },
      ],
    },
    {
      title: 'Tiers side by side',
      lines: [
        { height: 7, panels: [guests] },
        { height: 7, panels: [table] },
        { height: 8, panels: [headrooms, useds, overTargets] },
        { height: 6, panels: [alertTable()] },
      ],
    },
  ],
}
