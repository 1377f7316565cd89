import * as m from '../../src/metrics/catalog.ts'
import { runs } from './annotations.ts'
import type { Page } from './dashboard.ts'
import { linkTo } from './links.ts'
import { distribution, rowsOf, timeSeries } from './panels.ts'
import { buckets, HOST, quantile, query, rate, ratio, series, sumBy } from './query.ts'
import { STATUS } from './style.ts'
import * as variables from './variables.ts'

const OF = { device: '$device' }
const BY = [HOST, 'device']
const d = m.device

const transactions = [rate(d.readsCompleted, OF), rate(d.writesCompleted, OF)]
const bytes = [rate(d.readBytes, OF), rate(d.writtenBytes, OF)]
const busy = rate(d.ioSeconds, OF)
const waiting = rate(d.ioWeightedSeconds, OF)
const await_ = ratio(
  sumBy(BY, rate(d.readSeconds, OF), rate(d.writeSeconds, OF)),
  sumBy(BY, ...transactions),
)

const all = rowsOf({
  title: 'Devices',
  description:
    'What iostat would print, at the end of the time range. A device that stands on another is counted at both: only those with leaf = true add up. Worry where await is above the target latency of the tier while requests queue; a high util alone says little.',
  unit: 'count',
  labels: {
    instance: 'instance',
    device: 'device',
    kind: 'kind',
    name: 'name',
    leaf: 'leaf',
  },
  cellLinks: { device: linkTo('device', ['instance', 'device'], true) },
  sortBy: 'tps',
  columns: [
    { name: 'tps', expr: described(sumBy(BY, ...transactions)), unit: 'transactions', decimals: 1 },
    { name: 'bytes', expr: described(sumBy(BY, ...bytes)), unit: 'bytesPerSecond' },
    { name: 'await', expr: described(await_), unit: 'seconds' },
    { name: 'queue', expr: described(sumBy(BY, waiting)), unit: 'count', decimals: 2 },
    {
      name: 'util',
      expr: described(`clamp_max(${sumBy(BY, busy)}, 1)`),
      unit: 'ratio',
      steps: [
        [null, STATUS.none],
        [0.9, STATUS.warning],
      ],
    },
  ],
})

/** A value of a device, with what the device is. */
function described(expr: string): string {
  const kinds = `max by (${HOST}, device, kind, name, leaf) (${series(m.deviceInfo, OF)})`
  return `${expr} * on (${HOST}, device) group_left (kind, name, leaf) ${kinds}`
}

const tps = timeSeries({
  title: 'Transactions per second',
  description:
    'Reads, writes, discards and flushes that the device completed (r/s, w/s, d/s and f/s of iostat). Flushes are counted since kernel 5.5, of whole disks only. Compare the sum with the capacity of the tier on the dashboard of tiers.',
  unit: 'transactions',
  queries: [
    query(sumBy(['instance'], rate(d.readsCompleted, OF)), 'read {{instance}}'),
    query(sumBy(['instance'], rate(d.writesCompleted, OF)), 'write {{instance}}'),
    query(sumBy(['instance'], rate(d.flushes, OF)), 'flush {{instance}}'),
    query(sumBy(['instance'], rate(d.discardsCompleted, OF)), 'discard {{instance}}'),
  ],
})

const throughput = timeSeries({
  title: 'Throughput',
  description:
    'Bytes read and written per second (rkB/s and wkB/s of iostat). Few transactions with much throughput are large requests: the device is then limited by bandwidth, not by operations.',
  unit: 'bytesPerSecond',
  queries: [
    query(sumBy(['instance'], rate(d.readBytes, OF)), 'read {{instance}}'),
    query(sumBy(['instance'], rate(d.writtenBytes, OF)), 'write {{instance}}'),
    query(sumBy(['instance'], rate(d.discardedBytes, OF)), 'discard {{instance}}'),
  ],
})

function meanTime(seconds: typeof d.readSeconds, completed: typeof d.readsCompleted): string {
  return ratio(sumBy(['instance'], rate(seconds, OF)), sumBy(['instance'], rate(completed, OF)))
}

const latency = timeSeries({
  title: 'Await',
  description:
    'Mean time that a request took from when it was queued to its completion (r_await, w_await and f_await of iostat), the wait for others included. A gap means that nothing was completed. Worry when it stays above the target latency of a tier that stands on the device.',
  unit: 'seconds',
  queries: [
    query(meanTime(d.readSeconds, d.readsCompleted), 'read {{instance}}'),
    query(meanTime(d.writeSeconds, d.writesCompleted), 'write {{instance}}'),
    query(meanTime(d.flushSeconds, d.flushes), 'flush {{instance}}'),
  ],
})

const queue = timeSeries({
  title: 'Queue',
  description:
    'Mean number of requests in flight (aqu-sz of iostat): by Little’s law the transactions per second times the await. Latency that grows with the queue while transactions do not is saturation.',
  unit: 'count',
  decimals: 2,
  queries: [
    query(sumBy(['instance'], waiting), 'in flight, mean {{instance}}'),
    query(sumBy(['instance'], series(d.ioNow, OF)), 'in flight at the scrape {{instance}}'),
  ],
})

const sizes = timeSeries({
  title: 'Size of requests',
  description:
    'Mean bytes of a request (rareq-sz and wareq-sz of iostat), after the kernel has merged neighbours. Small ones cost a disk as much as large ones: the capacity in transactions holds for the size at which it was calibrated.',
  unit: 'bytes',
  queries: [
    query(meanTime(d.readBytes, d.readsCompleted), 'read {{instance}}'),
    query(meanTime(d.writtenBytes, d.writesCompleted), 'write {{instance}}'),
  ],
})

const util = timeSeries({
  title: 'Util',
  description:
    'Share of the time in which at least one request was in flight (%util of iostat). No measure of saturation: a device that serves requests in parallel (SSD, RAID, multipath) is at 100 % long before its limit, and kernels count it differently: 5.0 to 5.6 too low, 5.7 to 6.9 too high for an almost idle disk. Never worry about this alone; look at await and queue.',
  unit: 'ratio',
  max: 1,
  queries: [query(`clamp_max(${sumBy(['instance'], busy)}, 1)`, 'busy {{instance}}')],
})

const merged = timeSeries({
  title: 'Merged requests',
  description:
    'Requests per second that the kernel merged with a neighbour before they were issued (rrqm/s and wrqm/s of iostat). Many mean a sequential load with small requests.',
  unit: 'perSecond',
  queries: [
    query(sumBy(['instance'], rate(d.readsMerged, OF)), 'read {{instance}}'),
    query(sumBy(['instance'], rate(d.writesMerged, OF)), 'write {{instance}}'),
  ],
})

const bursts = distribution({
  title: 'One-second bursts',
  description:
    'How many seconds had how many transactions, sampled each second by kvmio: what a mean over a scrape hides. Cells high above the mean are bursts; worry when they reach the capacity of the tier, since requests then wait although the mean is low.',
  unit: 'transactions',
  buckets: buckets(m.deviceTransactions, OF),
})

const burstQuantiles = timeSeries({
  title: 'Transactions of a second',
  description:
    'Quantiles of the same one-second samples, beside the mean. A p99 of several times the mean is a bursty load, which needs more headroom than its mean says.',
  unit: 'transactions',
  queries: [
    query(quantile(0.5, ['instance'], m.deviceTransactions, OF), 'p50 {{instance}}'),
    query(quantile(0.95, ['instance'], m.deviceTransactions, OF), 'p95 {{instance}}'),
    query(quantile(0.99, ['instance'], m.deviceTransactions, OF), 'p99 {{instance}}'),
    query(sumBy(['instance'], ...transactions), 'mean {{instance}}'),
  ],
})

const EMPTY_VMS =
  'No vm has done I/O on this device that its cgroup could tell. Host-cached writes are not told apart on cgroup v1.'
const vmLinks = [linkTo('vm', ['vm'])]
const causes = (
  title: string,
  unit: 'transactions' | 'bytesPerSecond',
  vm: (typeof m.vmDevice)[keyof typeof m.vmDevice][],
  rest: (typeof m.deviceUnattributed)[keyof typeof m.deviceUnattributed][],
) =>
  timeSeries({
    title,
    description:
      'The share of each vm, by its cgroup, and on top what no vm accounts for: the journal of a filesystem, writeback of host-cached images, the programs of an emulated disk, neighbours. Where that rest is large, the vms’ own counters understate what they cost.',
    unit,
    stacked: true,
    empty: EMPTY_VMS,
    links: vmLinks,
    queries: [
      query(sumBy(['instance', 'vm'], ...vm.map((one) => rate(one, OF))), '{{vm}}'),
      query(sumBy(['instance'], ...rest.map((one) => rate(one, OF))), 'unattributed {{instance}}'),
    ],
  })

const vmTransactions = causes(
  'Transactions by vm',
  'transactions',
  [m.vmDevice.readsCompleted, m.vmDevice.writesCompleted],
  [m.deviceUnattributed.readsCompleted, m.deviceUnattributed.writesCompleted],
)
const vmBytes = causes(
  'Bytes by vm',
  'bytesPerSecond',
  [m.vmDevice.readBytes, m.vmDevice.writtenBytes],
  [m.deviceUnattributed.readBytes, m.deviceUnattributed.writtenBytes],
)

const NO_IOSTAT = 'No iostat on this host (package sysstat), or its collector is off.'
const compared = timeSeries({
  title: 'iostat beside kvmio: transactions',
  description:
    'Reads and writes of the last second as iostat printed them, beside the mean that kvmio’s own counters give. They differ under a changing load, since one is a second and the other an interval; with a steady load a lasting difference is a mistake of one of them.',
  unit: 'transactions',
  empty: NO_IOSTAT,
  queries: [
    query(sumBy(['instance'], series(m.iostat.reads, OF)), 'iostat r/s {{instance}}'),
    query(sumBy(['instance'], series(m.iostat.writes, OF)), 'iostat w/s {{instance}}'),
    query(sumBy(['instance'], rate(d.readsCompleted, OF)), 'read {{instance}}'),
    query(sumBy(['instance'], rate(d.writesCompleted, OF)), 'write {{instance}}'),
  ],
})
const comparedAwait = timeSeries({
  title: 'iostat: await',
  description:
    'The await that iostat printed for its last second; 0 when nothing was completed in it. Read it beside the panel Await, which is the mean over an interval.',
  unit: 'seconds',
  empty: NO_IOSTAT,
  queries: [
    query(`max by (instance) (${series(m.iostat.readAwait, OF)})`, 'read {{instance}}'),
    query(`max by (instance) (${series(m.iostat.writeAwait, OF)})`, 'write {{instance}}'),
    query(`max by (instance) (${series(m.iostat.flushAwait, OF)})`, 'flush {{instance}}'),
  ],
})

/** iostat's view of each device, and who causes it. */
export const devicePage: Page = {
  name: 'device',
  description:
    'What a block device of the host does: transactions, bytes, latency, queue, and which vms cause it.',
  variables: [...variables.targets(), variables.device()],
  annotations: [runs()],
  sections: [
    { title: 'All devices', lines: [{ height: 8, panels: [all] }] },
    {
      title: '$device',
      repeat: 'device',
      lines: [
        { height: 8, panels: [tps, throughput, latency] },
        { height: 8, panels: [queue, sizes, util] },
        { height: 8, panels: [bursts, burstQuantiles] },
        { height: 9, panels: [vmTransactions, vmBytes] },
        { height: 7, panels: [merged, compared, comparedAwait] },
      ],
    },
  ],
}
