import * as m from '../../src/metrics/catalog.ts'
import { alertsFiring, alertTable } from './alerts.ts'
import type { Page } from './dashboard.ts'
import { linkTo } from './links.ts'
import { prometheus } from './others.ts'
import { bars, bigNumber, rowsOf, timeSeries } from './panels.ts'
import { HOST, query, rate, series, sumBy } from './query.ts'
import * as r from './recorded.ts'
import { STATUS } from './style.ts'
import * as variables from './variables.ts'

const NO_TIER =
  'Nothing is known of a tier yet: it needs a target or a capacity in kvmio.yaml, or `kvmio calibrate TIER`, and vms that run.'
const SIGMA = { method: 'sigma' }

const hosts = bigNumber({
  title: 'Hosts',
  description:
    'Hosts whose kvmio answers. Fewer than you have is a target that is down or missing.',
  unit: 'count',
  empty: 'No kvmio is scraped: add hosts to prometheus/targets/*.yml.',
  query: query(`count(${series(prometheus.up)} == 1)`, 'hosts'),
})
const down = bigNumber({
  title: 'Hosts down',
  description:
    'Targets that did not answer their last scrape. Worry about any: nothing is known of their tiers.',
  unit: 'count',
  query: query(`count(${series(prometheus.up)} == 0) or vector(0)`, 'down'),
  steps: [
    [null, STATUS.good],
    [1, STATUS.bad],
  ],
})
const running = bigNumber({
  title: 'Vms running',
  description: 'Vms that run on all hosts, whoever started them.',
  unit: 'count',
  query: query(`sum(${series(r.vms.running)}) or vector(0)`, 'vms'),
})
const saturated = bigNumber({
  title: 'Tiers saturated',
  description:
    'Tiers whose latency is above their target while more operations wait than they can use. Worry about any that stays: the table of worst tiers says which.',
  unit: 'count',
  query: query(`sum(${series(r.tiers.saturated)}) or vector(0)`, 'tiers'),
  steps: [
    [null, STATUS.good],
    [1, STATUS.bad],
  ],
})
const full = bigNumber({
  title: 'Tiers without headroom',
  description:
    'Tiers on which not one more vm of some guest fits. Not wrong by itself, but the next vm has to go elsewhere.',
  unit: 'count',
  query: query(
    `count(min by (${HOST}, tier) (${series(r.density.headroom, SIGMA)}) < 1) or vector(0)`,
    'tiers',
  ),
  steps: [
    [null, STATUS.good],
    [1, STATUS.warning],
  ],
})

const BY_HOST = HOST
const cpuBusy = `1 - sum by (${HOST}) (${rate(m.host.cpuSeconds, { mode: 'idle|iowait' })}) / sum by (${HOST}) (${series(m.host.cpus)})`
const table = rowsOf({
  title: 'Hosts',
  description:
    'Each host with what is left on it. Headroom adds up its tiers, of each the guest of which the fewest fit. Worry about hosts with a saturated tier, and where processors or memory are full: I/O is then slow for another reason.',
  unit: 'count',
  empty: 'No kvmio is scraped: add hosts to prometheus/targets/*.yml.',
  labels: { instance: 'instance', version: 'version' },
  cellLinks: { instance: linkTo('tiers', ['instance'], true) },
  sortBy: 'latency / target',
  columns: [
    {
      name: 'up',
      expr: `max by (${BY_HOST}, version) (${series(prometheus.up)} * on (${HOST}) group_left (version) ${series(m.buildInfo)})`,
      unit: 'yesNo',
    },
    { name: 'vms', expr: sumBy([BY_HOST], series(r.vms.running)), unit: 'count' },
    {
      name: 'headroom',
      expr: `sum by (${BY_HOST}) (min by (${HOST}, tier) (${series(r.density.headroom, SIGMA)}))`,
      unit: 'count',
    },
    {
      name: 'capacity used',
      expr: `max by (${BY_HOST}) (${series(r.tiers.capacityUsed)})`,
      unit: 'ratio',
    },
    {
      name: 'latency / target',
      expr: `max by (${BY_HOST}) (${series(r.tiers.overTarget)})`,
      unit: 'ratio',
      steps: [
        [null, STATUS.good],
        [1, STATUS.bad],
      ],
    },
    { name: 'processors busy', expr: cpuBusy, unit: 'ratio' },
    {
      name: 'memory available',
      expr: sumBy([BY_HOST], series(m.host.memoryAvailable)),
      unit: 'bytes',
    },
  ],
})
const worst = rowsOf({
  title: 'Worst tiers',
  description:
    'The 20 tiers that are nearest to their limit: the share of their capacity that is asked for, and latency over target. Above 100 % in both, move vms away.',
  unit: 'ratio',
  empty: NO_TIER,
  labels: { instance: 'instance', tier: 'tier' },
  cellLinks: { tier: linkTo('tiers', ['instance', 'tier'], true) },
  sortBy: 'capacity used',
  columns: [
    {
      name: 'capacity used',
      expr: `topk(20, max by (${HOST}, tier) (${series(r.tiers.capacityUsed)}))`,
      unit: 'ratio',
    },
    {
      name: 'latency / target',
      expr: `topk(20, max by (${HOST}, tier) (${series(r.tiers.overTarget)}))`,
      unit: 'ratio',
    },
    {
      name: 'headroom',
      expr: `bottomk(20, min by (${HOST}, tier) (${series(r.density.headroom, SIGMA)}))`,
      unit: 'count',
    },
  ],
})
const versions = bars({
  title: 'Versions',
  description:
    'How many hosts run which version of kvmio. More than one is a fleet in the middle of an upgrade: see the changelog before their figures are compared.',
  unit: 'count',
  queries: [query(`count by (version) (${series(m.buildInfo)})`, '{{version}}')],
})

const headroom = timeSeries({
  title: 'Headroom by host',
  description:
    'How many more vms fit on each host, its tiers together. Falling lines while no vm starts are vms that ask for more than before.',
  unit: 'count',
  empty: NO_TIER,
  links: [linkTo('tiers', ['instance'])],
  queries: [
    query(
      `sum by (instance) (min by (${HOST}, tier) (${series(r.density.headroom, SIGMA)}))`,
      '{{instance}}',
    ),
  ],
})
const used = timeSeries({
  title: 'Capacity used, the 10 highest tiers',
  description:
    'What vms ask of a tier as a share of what it can give at its target. Above 100 % it cannot keep the target.',
  unit: 'ratio',
  empty: NO_TIER,
  links: [linkTo('tiers', ['instance', 'tier'])],
  queries: [
    query(
      `topk(10, max by (instance, tier) (${series(r.tiers.capacityUsed)}))`,
      '{{tier}} on {{instance}}',
    ),
  ],
})
const overTarget = timeSeries({
  title: 'Latency over target, the 10 highest tiers',
  description:
    'Mean latency as a share of the target. Above 100 % for longer than a boot, look at the queue of that tier.',
  unit: 'ratio',
  empty: NO_TIER,
  links: [linkTo('tiers', ['instance', 'tier'])],
  queries: [
    query(
      `topk(10, max by (instance, tier) (${series(r.tiers.overTarget)}))`,
      '{{tier}} on {{instance}}',
    ),
  ],
})
const cpu = timeSeries({
  title: 'Processors busy',
  description:
    'Share of all processors of each host that is in use, without the wait for I/O. A full host makes storage look slow: look here before you blame a tier.',
  unit: 'ratio',
  max: 1,
  links: [linkTo('tiers', ['instance'])],
  queries: [query(`sum by (instance) (${cpuBusy})`, '{{instance}}')],
})
const memory = timeSeries({
  title: 'Memory available',
  description: 'What new vms could have on each host before it swaps, the reserve included.',
  unit: 'bytes',
  links: [linkTo('tiers', ['instance'])],
  queries: [query(sumBy(['instance'], series(m.host.memoryAvailable)), '{{instance}}')],
})
const pressure = timeSeries({
  title: 'Pressure of I/O',
  description:
    'Share of the time in which some task of the host waited for I/O. It supports a diagnosis and makes none: aio = native and io_uring are not seen by it, and a single writer can hold it at 100 %.',
  unit: 'ratio',
  empty: 'The kernels of these hosts have no /proc/pressure.',
  links: [linkTo('tiers', ['instance'])],
  queries: [query(sumBy(['instance'], rate(m.hostPressure.ioWaiting)), '{{instance}}')],
})
const dirty = timeSeries({
  title: 'Dirty and under writeback',
  description:
    'What each host has written to its page cache and not yet to a device. Worry when it stays high: a run that ends before it has drained would be void.',
  unit: 'bytes',
  queries: [
    query(sumBy(['instance'], series(m.host.dirty)), 'dirty {{instance}}'),
    query(sumBy(['instance'], series(m.host.writeback)), 'under writeback {{instance}}'),
  ],
})

/** All hosts: where is room, and where is trouble? */
export const fleetPage: Page = {
  name: 'fleet',
  description:
    'All hosts at once: where vms still fit, which tiers are worst, and what runs which version.',
  from: 'now-3h',
  variables: variables.targets(),
  sections: [
    {
      title: 'Fleet',
      lines: [
        { height: 4, panels: [hosts, down, running, saturated, full, alertsFiring()] },
        { height: 9, panels: [table] },
        { height: 8, panels: [[worst, 16], versions] },
        { height: 8, panels: [headroom, used, overTarget] },
        { height: 6, panels: [alertTable()] },
      ],
    },
    {
      title: 'Hosts',
      lines: [
        { height: 8, panels: [cpu, memory] },
        { height: 8, panels: [pressure, dirty] },
      ],
    },
  ],
}
