import * as m from '../../src/metrics/catalog.ts'
import type { Page } from './dashboard.ts'
import { linkTo } from './links.ts'
import { nodejs, prometheus } from './others.ts'
import { bigNumber, rowsOf, timeSeries } from './panels.ts'
import { HOST, part, query, rate, ratio, series, sumBy } from './query.ts'
import { STATUS, type Unit } from './style.ts'
import * as variables from './variables.ts'

const BY_HOST = ['instance']
const OFF = 'No kvmio is scraped: add it to prometheus/targets/*.yml.'

const versions = rowsOf({
  title: 'Hosts',
  description:
    'Each kvmio that is scraped, what it runs on, and since when. Worry when a fleet has several versions: their figures may be counted otherwise, see the changelog.',
  unit: 'text',
  empty: OFF,
  labels: {
    instance: 'instance',
    version: 'version',
    nodeversion: 'node',
    platform: 'platform',
    arch: 'arch',
  },
  columns: [
    {
      name: 'started',
      expr: `max by (${HOST}, version, nodeversion, platform, arch) (${series(m.buildInfo)}) * on (job, instance) group_left () (${series(nodejs.startTime)} * 1000)`,
      unit: 'since',
    },
  ],
})

const up = bigNumber({
  title: 'Scraped',
  description:
    'Share of the targets that answered their last scrape. Below 100 % a host is down, kvmio is, or the network between.',
  unit: 'ratio',
  empty: OFF,
  query: query(`avg(${series(prometheus.up)})`, 'up'),
  steps: [
    [null, STATUS.bad],
    [1, STATUS.good],
  ],
})
const collectorsWell = bigNumber({
  title: 'Collectors that read their source',
  description:
    'Share of all collectors of all hosts that succeeded. Below 100 % look at the panel of collectors for the one that did not; a lack that is the host’s (no iostat, no journal) is told in the log once.',
  unit: 'ratio',
  query: query(`avg(${series(m.collectorSuccess)})`, 'success'),
  steps: [
    [null, STATUS.bad],
    [1, STATUS.good],
  ],
})
const reload = bigNumber({
  title: 'Config in force is the file’s',
  description:
    '100 % when every kvmio runs with the config that its file has now. Below it a file was changed to something wrong: the log names line and column, and the former config stays in force.',
  unit: 'ratio',
  query: query(`avg(${series(m.configReloadSuccessful)})`, 'in force'),
  steps: [
    [null, STATUS.bad],
    [1, STATUS.good],
  ],
})
const reloaded = bigNumber({
  title: 'Config taken over',
  description:
    'When a kvmio last took over its config: at its start, or after a change of the file.',
  unit: 'since',
  query: query(`max(${series(m.configReloadTime)}) * 1000`, 'taken over'),
})

const scrapes = timeSeries({
  title: 'Scrape duration',
  description:
    'How long each scrape took, as Prometheus saw it. Worry when it nears the scrape timeout of 10 s: kvmio then leaves out what it could not read in time.',
  unit: 'seconds',
  empty: OFF,
  queries: [query(sumBy(BY_HOST, series(prometheus.scrapeSeconds)), '{{instance}}')],
})
const collectors = timeSeries({
  title: 'Scrape duration by collector',
  description:
    'How long each collector took; they run side by side, so that a scrape takes as long as the slowest. With several hosts the slowest host of each. Worry about one that grows with time and not with the number of vms.',
  unit: 'seconds',
  queries: [query(`max by (collector) (${series(m.collectorSeconds)})`, '{{collector}}')],
})
const failures = timeSeries({
  title: 'Failing collectors',
  description:
    'Hosts on which a collector could not read its source. Worry when it lasts: the series of that collector are absent there, which alerts take as nothing wrong.',
  unit: 'count',
  queries: [query(`sum by (collector) (1 - ${series(m.collectorSuccess)})`, '{{collector}}')],
})
const errors = timeSeries({
  title: 'What could not be read',
  description:
    'Vms, devices and sources per second that a collector had to leave out while the rest went on. A vm that hangs or has just ended makes one now and then; worry when it lasts.',
  unit: 'perSecond',
  queries: [query(sumBy(['collector'], rate(m.scrapeErrors)), '{{collector}}')],
})
const missed = timeSeries({
  title: 'Missed samples',
  description:
    'Readings per second that the one-second sampler missed: the event loop was busy, or a source did not answer within its second. Bursts and demand are then made of fewer samples. Worry above one in a hundred.',
  unit: 'perSecond',
  queries: [query(sumBy(['source'], rate(m.samplerErrors)), '{{source}}')],
})
const freshness = timeSeries({
  title: 'Freshness of vms',
  description:
    'How long ago the qemu of each vm last answered anything. Worry above half a minute: its figures are those of that time. It grows for a vm that hangs, and ends with the vm.',
  unit: 'seconds',
  empty: 'No vm runs whose qemu is asked.',
  links: [linkTo('vm', ['instance', 'vm'])],
  queries: [
    query(`max by (instance, vm) (time() - ${series(m.vmLastAnswer)})`, '{{vm}} on {{instance}}'),
  ],
})
const guestFreshness = timeSeries({
  title: 'Freshness of guests’ memory',
  description:
    'How long ago the balloon driver of each guest last told its memory; asked every few seconds. A guest that has crashed stops telling while its qemu still answers.',
  unit: 'seconds',
  empty: 'No vm with a balloon runs.',
  links: [linkTo('vm', ['instance', 'vm'])],
  queries: [
    query(
      `max by (instance, vm) (time() - ${series(m.guestMemory.updatedTime)})`,
      '{{vm}} on {{instance}}',
    ),
  ],
})

const memory = own(
  'Memory',
  'Memory of the process of kvmio: resident, and of that the heap of JavaScript and what lies outside of it. Worry when resident grows for days with the same vms and studies.',
  'bytes',
  [
    query(sumBy(BY_HOST, series(nodejs.residentBytes)), 'resident {{instance}}'),
    query(sumBy(BY_HOST, series(nodejs.heapTotal)), 'heap {{instance}}'),
    query(sumBy(BY_HOST, series(nodejs.heapUsed)), 'heap used {{instance}}'),
    query(sumBy(BY_HOST, series(nodejs.external)), 'outside the heap {{instance}}'),
  ],
)
const cpu = own(
  'Processor',
  'Share of one processor that kvmio takes, the sampler included. It should stay within a few percent: what measures must not disturb what is measured.',
  'ratio',
  [query(sumBy(BY_HOST, rate(nodejs.cpuSeconds)), '{{instance}}')],
)
const pauses = own(
  'Event loop: time in garbage collection',
  'Share of the time in which the event loop stood still for a collection of garbage. Worry above 1 %: samples come late then, see missed samples. The lag of the event loop itself is not exported, since its timer alone took 0.6 % of a processor.',
  'ratio',
  [
    query(
      `sum by (instance, kind) (${rate(part(nodejs.gcSeconds, 'sum'))})`,
      '{{kind}} {{instance}}',
    ),
  ],
)
const pause = own(
  'Event loop: mean pause',
  'How long one collection of garbage held the event loop up, on average. Pauses above 50 ms make a scrape and a sample late by that much.',
  'seconds',
  [
    query(
      ratio(
        sumBy(BY_HOST, rate(part(nodejs.gcSeconds, 'sum'))),
        sumBy(BY_HOST, rate(part(nodejs.gcSeconds, 'count'))),
      ),
      'mean {{instance}}',
    ),
  ],
)
const fds = own(
  'Open files',
  'Files and sockets that kvmio has open beside the limit: a few for each vm. Worry when they come near the limit, or grow while the number of vms does not.',
  'count',
  [
    query(sumBy(BY_HOST, series(nodejs.openFds)), 'open {{instance}}'),
    query(sumBy(BY_HOST, series(nodejs.maxFds)), 'limit {{instance}}'),
  ],
)
const samples = own(
  'Series',
  'Series that each scrape brought. They grow with vms, drives and devices, not with time: names of vms are used again by each repetition. Worry about steady growth.',
  'count',
  [query(sumBy(BY_HOST, series(prometheus.samples)), '{{instance}}')],
)
const churn = own(
  'New series',
  'Series that a scrape brought for the first time: vms that start. What Prometheus has to keep grows with this sum.',
  'count',
  [query(sumBy(BY_HOST, series(prometheus.seriesAdded)), '{{instance}}')],
)

function own(title: string, description: string, unit: Unit, queries: ReturnType<typeof query>[]) {
  return timeSeries({ title, description, unit, queries, empty: OFF })
}

/** kvmio as a program: is what it shows whole, fresh and cheap? */
export const exporterPage: Page = {
  name: 'exporter',
  description:
    'kvmio itself: whether each collector reads its source, how fresh the figures are, and what it costs the host.',
  variables: variables.targets(),
  sections: [
    {
      title: 'State',
      lines: [
        { height: 4, panels: [up, collectorsWell, reload, reloaded] },
        { height: 6, panels: [versions] },
      ],
    },
    {
      title: 'Scrapes',
      lines: [
        { height: 8, panels: [scrapes, collectors] },
        { height: 8, panels: [failures, errors, missed] },
        { height: 8, panels: [freshness, guestFreshness] },
      ],
    },
    {
      title: 'Process',
      lines: [
        { height: 8, panels: [memory, cpu, pauses] },
        { height: 8, panels: [pause, fds, samples, churn] },
      ],
    },
  ],
}
