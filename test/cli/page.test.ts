import t, { type Test } from 'tap'
import type { Engine } from '../../src/cli/engine.ts'
import { createPage, type PageRequest } from '../../src/cli/page.ts'
import { COLLECTOR_NAMES } from '../../src/collector/all.ts'
import { parseConfig } from '../../src/config/load.ts'
import { createLog } from '../../src/lib/log.ts'
import { createOwnMetrics } from '../../src/metrics/render.ts'
import { answering, scrapeOf, vm } from '../collector/host.ts'
import { parsePage } from '../metrics/exposition.ts'

/** The parts of an engine that a page is made from, on the recorded host. */
async function engineOf(
  t: Test,
  more: {
    collectors?: readonly string[]
    vms?: ReturnType<typeof vm>[]
    webHolder?: unknown
  } = {},
) {
  const { collectors = COLLECTOR_NAMES, vms = [] } = more
  const scrape = await scrapeOf(t)
  const { procRoot, sysRoot } = scrape
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  const engine = {
    ...scrape,
    options: { procRoot, sysRoot, collectors: new Set(collectors) },
    own: createOwnMetrics(),
    log: createLog({ level: 'debug', format: 'json', destination }),
    vms: () => vms,
    knownVms: () => vms.map((one) => ({ ...one, running: true })),
    tiers: () => [],
    activeStudies: () => [],
    holder: {
      current: parseConfig('tiers: {}', '/kvmio.yaml'),
      ...{ lastReloadSuccessful: true, lastReloadTime: 1795409700 },
    },
    webHolder: more.webHolder,
  } as unknown as Engine
  const answer = createPage(engine)
  const page = async (request: PageRequest) => (await answer(request)).toString()
  return { page, lines }
}

const ALL: PageRequest = { collect: [], exclude: [], timeoutMs: 2000 }

/** Without the empty lines that prom-client leaves between families. */
function familiesOf(page: string) {
  return parsePage(page.replaceAll(/\n\n+/g, '\n'))
}

function collectorsOf(page: string): string[] {
  const family = familiesOf(page).find(({ name }) => name === 'kvmio_scrape_collector_success')
  return family?.samples.map(({ labels }) => labels.collector ?? '') ?? []
}

function seriesValue(page: string, series: string): number | undefined {
  const line = page.split('\n').find((line) => line.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.split(' ').at(-1))
}

t.test('what the web config came to, where there is one', async (t) => {
  const names = [
    'kvmio_web_config_last_reload_successful',
    'kvmio_web_config_last_reload_success_timestamp_seconds',
    'kvmio_web_certificate_expiry_timestamp_seconds',
  ]
  const values = async (webHolder?: unknown) => {
    const { page } = await engineOf(t, { webHolder })
    const text = await page(ALL)
    return names.map((name) => seriesValue(text, name))
  }
  const reloads = { lastReloadSuccessful: false, lastReloadTime: 1795409700 }
  const tls = { notAfter: 1798001700 }
  t.strictSame(await values(), [undefined, undefined, undefined])
  t.strictSame(await values({ ...reloads, current: () => ({}) }), [0, 1795409700, undefined])
  t.strictSame(await values({ ...reloads, current: () => ({ tls }) }), [0, 1795409700, 1798001700])
})

t.test('all of kvmio on one page', async (t) => {
  const { page } = await engineOf(t)
  const text = await page(ALL)
  t.strictSame(collectorsOf(text), [...COLLECTOR_NAMES])
  t.equal(seriesValue(text, 'kvmio_config_last_reload_successful'), 1)
  t.equal(seriesValue(text, 'kvmio_config_last_reload_success_timestamp_seconds'), 1795409700)
  t.match(text, /^kvmio_build_info\{version="[^"]+",nodeversion="v\d+/m)
  t.match(text, /^process_cpu_seconds_total /m)
  const families = familiesOf(text).map(({ name }) => name)
  t.equal(new Set(families).size, families.length, 'each family once')
})

t.test('?collect[] and ?exclude[]', async (t) => {
  const { page } = await engineOf(t)
  const chosen = async (request: Partial<PageRequest>) =>
    collectorsOf(await page({ ...ALL, ...request }))
  t.strictSame(await chosen({ collect: ['host', 'tier'] }), ['tier', 'host'])
  const without = COLLECTOR_NAMES.filter((name) => name !== 'iostat' && name !== 'qmp')
  t.strictSame(await chosen({ exclude: ['iostat', 'qmp'] }), without)
})

t.test('a collector that is off stays off', async (t) => {
  const { page } = await engineOf(t, { collectors: ['host', 'vm'] })
  t.strictSame(collectorsOf(await page(ALL)), ['vm', 'host'])
  t.strictSame(collectorsOf(await page({ ...ALL, collect: ['iostat', 'host'] })), ['host'])
})

t.test('errors are counted, from 0 on', async (t) => {
  const sick = vm('a', { qmp: answering(() => Promise.reject(new Error('no answer'))) })
  const { page, lines } = await engineOf(t, { vms: [sick] })
  const errors = (collector: string) => `kvmio_scrape_errors_total{collector="${collector}"}`
  const first = await page({ ...ALL, collect: ['qmp', 'host'] })
  t.equal(seriesValue(first, errors('host')), 0)
  t.equal(seriesValue(first, errors('qmp')), 1)
  t.equal(seriesValue(first, 'kvmio_vm_up{vm="a"}'), 0)
  const second = await page({ ...ALL, collect: ['qmp'] })
  t.equal(seriesValue(second, errors('qmp')), 2)
  t.match(JSON.parse(lines[0]!), { collector: 'qmp', err: { message: 'no answer' } })
})

t.test('the same series twice is told, not printed', async (t) => {
  const { page, lines } = await engineOf(t, { collectors: ['process'], vms: [vm('a'), vm('a')] })
  const text = await page(ALL)
  t.equal(text.match(/^kvmio_vm_process_cpu_seconds_total\{/gm)?.length, 1)
  const said = lines.map((line) => JSON.parse(line))
  t.equal(said.length, 7)
  t.match(said[0], {
    level: 50,
    msg: 'the same series twice in one scrape',
    series: 'kvmio_vm_process_read_bytes_total{vm="a"}',
  })
})
