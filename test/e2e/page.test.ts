import type { Page } from 'playwright-core'
import t from 'tap'
import { ask, chromiumLack, complaints, openBrowser, openPage } from './chromium.ts'
import {
  applianceOrLack,
  cannotEmulate,
  guestOn,
  guestSays,
  homeFor,
  kvmio,
  LOCAL,
  type Page as Metrics,
  nothingLeft,
  type Serving,
  SLOW,
  scrape,
  serve,
  until,
  writes,
} from './kvmio.ts'

const { lack } = await applianceOrLack()
const skip = chromiumLack() || lack || (await cannotEmulate())

const CONFIG = {
  tiers: {
    slow: { ...SLOW, capacity: { transactionsPerSecond: 190 }, target: { latency: '50ms' } },
    local: LOCAL,
  },
  guests: { small: guestOn('slow') },
  studies: {
    two: { guest: 'small', vms: 2, pause: '0s', workload: writes('6MiB', '16KiB', '10m') }, // ended when all is seen
  },
}
const VMS = ['two-only-1', 'two-only-2']

t.test('the live page in a browser, while guests run', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const [serving, browser] = await Promise.all([
    serve(home, '--web.grafana-url', 'http://127.0.0.1:3000/'),
    openBrowser(t),
  ])
  const page = await openPage(browser)
  const complained = complaints(page, serving.url)
  await page.goto(`${serving.url}/`)
  await page.getByText('Live.', { exact: true }).waitFor()
  const run = kvmio(home, ['run', 'two', '--once'])
  for (const vm of VMS) await guestSays(home, vm, ' phase write')

  const { shown, told } = await watchRates(page, serving)
  for (const [name, values] of shown) {
    const { rates, missed } = ratesOf(told.get(name) ?? [])
    const strange = [...values].filter((value) => !rates.some((rate) => near(rate, value)))
    t.ok(strange.length <= missed, `${name}: ${strange} are not of /metrics; ${missed} missed`)
    const busy = [...values].filter((value) => value > 0 && !strange.includes(value))
    t.ok(busy.length >= 2, `${name}: ${busy.length} seconds with transactions`)
  }

  await t.test('at rest, all figures are those of /metrics', async (t) => {
    const same = async (what: string, look: (metrics: Metrics) => [string, unknown][]) => {
      let [wanted, found]: unknown[][] = [[], []]
      await until(what, async () => {
        const figures = look(await scrape(serving))
        wanted = figures.map(([, value]) => value)
        found = await Promise.all(figures.map(([selector]) => figure(page, selector)))
        return JSON.stringify(wanted) === JSON.stringify(found)
      }).catch(() => {})
      t.strictSame(found, wanted, what)
    }
    for (const vm of VMS) await same(vm, (metrics) => layersOf(metrics, vm))
    await same('tiers', (metrics) => ['slow', 'local'].flatMap((tier) => tierOf(metrics, tier)))
    await same('the study', studyOf)
    await same('collectors', (metrics) =>
      metrics
        .all('kvmio_scrape_collector_success')
        .map(({ labels, value }) => [
          `[data-collector="${labels.collector}"] [data-figure="success"]`,
          value === 1 ? 'ok' : 'fails',
        ]),
    )
  })

  await t.test('without scripts, the first paint has it all', async (t) => {
    const context = await browser.newContext({ javaScriptEnabled: false })
    const plain = await context.newPage()
    const complained = complaints(plain, serving.url)
    await plain.goto(`${serving.url}/`)
    t.equal(await plain.locator('[data-vm]').count(), 2)
    const total = `[data-vm="${VMS[0]}"] [data-layer="qemu"] [data-figure="transactions"]`
    t.equal(await figure(plain, total), await figure(page, total))
    t.match(await plain.locator('#connection').textContent(), /^As of \d{4}-/)
    t.equal(await plain.getByRole('button').count(), 0, 'nothing that would not work')
    await plain.getByRole('link', { name: 'Docs' }).click()
    await plain.getByRole('link', { name: 'The live page' }).click()
    t.match(await plain.locator('body').textContent(), /^# The live page\n/)
    t.strictSame(complained, [])
    await context.close()
  })

  await t.test('by keyboard and by ear', async (t) => {
    await page.locator('body').press('Tab')
    t.equal(await ask(page, 'focused'), 'To the figures')
    const focused = []
    for (let key = 0; key < 5; key++) {
      await page.keyboard.press('Tab')
      focused.push(await ask(page, 'focused'))
    }
    t.strictSame(focused, ['Metrics', 'Grafana', 'Docs', 'JSON', 'Pause'])
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Pause', pressed: true }).waitFor()
    await page.getByRole('status').getByText('Paused.').waitFor()
    await page.keyboard.press('Enter')
    await page.getByRole('status').getByText('Live.').waitFor()
    t.equal(await ask(page, 'focused'), 'Pause', 'the focus stays where it is while figures change')
    const tree = await page.locator('body').ariaSnapshot()
    const parts = [
      'banner',
      'navigation "Elsewhere"',
      'main',
      'region "Tiers"',
      'region "Last results"',
      'heading "two-only-1" \\[level=3\\]',
      'progressbar "Runs of two that are done"',
      'img "Transactions per second in the last \\d+ s: from',
      'table "What two-only-1 did at each layer"',
      'rowheader "qemu"',
      'columnheader "latency"',
    ]
    for (const part of parts) t.match(tree, new RegExp(part))
  })

  await t.test('light, dark, and on a phone', async (t) => {
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      t.strictSame(await ask(page, 'lowContrasts'), [], colorScheme)
    }
    const dark = await ask(page, 'background')
    await page.emulateMedia({ colorScheme: 'light' })
    t.not(await ask(page, 'background'), dark)
    for (const width of [390, 320]) {
      await page.setViewportSize({ width, height: 800 })
      t.equal(await ask(page, 'width'), width, 'nothing is wider than the screen')
    }
  })

  run.kill('SIGINT')
  await page.locator('[data-run="1"] [data-figure="outcome"]', { hasText: 'abandoned' }).waitFor()
  await page.getByText('None runs now.').waitFor()
  await run.end()
  t.strictSame(complained, [], 'nothing in the console, nothing from elsewhere')
  serving.kill('SIGTERM')
  await page.getByText('The connection is lost; trying again.').waitFor()
  await serving.end()
  await nothingLeft(t, home)
})

type Told = { count: number; sum: number }

/** By vm and tier, the rates that the page showed while guests wrote, and what /metrics said meanwhile. */
async function watchRates(page: Page, serving: Serving) {
  const shown = new Map<string, Set<number>>()
  const told = new Map<string, Told[]>()
  const device = (await scrape(serving)).all('kvmio_tier_device_info')
  const tierOn = device.find(({ labels }) => labels.tier === 'slow')?.labels.device
  await until('the guests to have written', async () => {
    const metrics = await scrape(serving, '?collect[]=sampler&collect[]=vm')
    const take = (name: string, family: string, labels: Record<string, string>) => {
      const count = metrics.value(`${family}_count`, labels)
      const sum = metrics.value(`${family}_sum`, labels)
      if (count !== undefined && sum !== undefined)
        told.set(name, [...(told.get(name) ?? []), { count, sum }])
    }
    for (const vm of VMS) take(vm, 'kvmio_vm_transactions_per_second', { vm })
    take('slow', 'kvmio_device_transactions_per_second', { device: tierOn ?? '' })
    const now = await ask<[string, string][]>(page, 'rates')
    for (const [name, value] of now) {
      if (value !== '') shown.set(name, (shown.get(name) ?? new Set()).add(Number(value)))
    }
    const phases = metrics.all('kvmio_vm_phase').map(({ labels }) => labels.phase)
    return phases.length === 2 && phases.every((phase) => phase === 'settle')
  })
  return { shown, told }
}

/** The rates of seconds that were told one by one, and how many were not. */
function ratesOf(told: readonly Told[]): { rates: number[]; missed: number } {
  const rates: number[] = []
  // What the page showed before the first scrape, and after the last, is known from no scrape.
  let missed = 2
  for (const [index, { count, sum }] of told.entries()) {
    const before = told[index - 1]
    if (!before) continue
    if (count === before.count + 1) rates.push(sum - before.sum)
    else missed += Math.max(0, count - before.count)
  }
  return { rates, missed }
}

function near(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(a))
}

/** The exact value of a figure, or its text where it is no number. */
async function figure(page: Page, selector: string): Promise<unknown> {
  const place = page.locator(selector).first()
  if ((await place.count()) === 0) return undefined
  const data = place.locator('data')
  const text =
    (await data.count()) > 0 ? await data.getAttribute('value') : await place.textContent()
  return text !== null && /^-?[\d.e+-]+$/.test(text) ? Number(text) : text
}

function layersOf(metrics: Metrics, vm: string): [string, unknown][] {
  const sum = (family: string, suffixes: string[]) => {
    const samples = suffixes
      .flatMap((suffix) => metrics.all(`${family}_${suffix}`))
      .filter(({ labels }) => labels.vm === vm)
    return samples.length === 0 ? undefined : samples.reduce((total, { value }) => total + value, 0)
  }
  const total = (layer: string) =>
    `[data-vm="${vm}"] [data-layer="${layer}"] [data-figure="transactions"]`
  const [reads, writes] = ['reads_completed_total', 'writes_completed_total']
  const phase = metrics.all('kvmio_vm_phase').find(({ labels }) => labels.vm === vm)
  return [
    [total('guest'), sum('kvmio_guest_disk', [reads, writes, 'discards_completed_total'])],
    [total('qemu'), sum('kvmio_drive', [reads, writes, 'flush_requests_total'])],
    [total('process'), sum('kvmio_vm_device', [reads, writes])],
    [`[data-vm="${vm}"] [data-figure="phase"]`, phase?.labels.phase],
  ]
}

function tierOf(metrics: Metrics, tier: string): [string, unknown][] {
  const of = (name: string) => `[data-tier="${tier}"] [data-figure="${name}"]`
  return [
    [of('vms'), metrics.value('kvmio_tier_vms', { tier })],
    [of('capacity'), metrics.value('kvmio_tier_capacity_transactions_per_second', { tier })],
    [of('available'), metrics.value('kvmio_tier_space_available_bytes', { tier })],
  ]
}

function studyOf(metrics: Metrics): [string, unknown][] {
  const info = metrics.all('kvmio_run_info')[0]?.labels
  const of = (name: string) => `[data-study="two"] [data-figure="${name}"]`
  const planned = metrics.value('kvmio_study_runs_planned', { study: 'two' })
  return [
    [of('run'), Number(info?.run)],
    [of('case'), info?.case],
    [of('of'), planned],
    [
      of('done'),
      (metrics.value('kvmio_study_progress_ratio', { study: 'two' }) ?? 0) * (planned ?? 0),
    ],
  ]
}
