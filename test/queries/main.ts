// Every query of every dashboard, asked of a real Prometheus that has scraped a real kvmio while it ran the demo study of
// kvmio.yaml, with the variables as Grafana would put them in.
//
//   npm run test:queries -- [--minutes 8] [--write docs/dashboard-queries.md] [--keep]

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import {
  applianceOrLack,
  cannotEmulate,
  homeFor,
  journal,
  repository,
  scrape,
  serve,
  until,
} from '../e2e/kvmio.ts'
import { type Dashboard, expressions, readDashboards, selectorOf } from '../grafana/dashboards.ts'
import { chosen, interpolate, secondsBack, stepOf, type Values } from '../grafana/interpolate.ts'
import { commitWords, hostWords } from '../matrix/studies.ts'
import { freePort } from '../ports.ts'
import { lackingTool } from '../prometheus/servers.ts'
import { EMPTIES, reasonFor } from './empties.ts'
import { type Answer, type Prometheus, startPrometheus } from './prometheus.ts'
import { wrongShape } from './shape.ts'

/** Samples that one query may load: of 100 such hosts a tenth of what Prometheus allows. */
const MOST_SAMPLES = 50_000
const SCRAPE_SECONDS = 10
const MOST_EMPTY = 1 / 20

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '8' },
    write: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})

interface Row {
  dashboard: string
  panel: string
  refId: string
  answer: Answer
  problem?: string
  reason?: string
}

const teardowns: (() => unknown)[] = []
try {
  process.exitCode = await main()
} catch (error) {
  // Before what is torn down may fail too.
  console.error(error)
  process.exitCode = 1
} finally {
  for (const teardown of teardowns.reverse()) await teardown()
}

async function main(): Promise<number> {
  const lack =
    lackingTool('prometheus') || (await cannotEmulate()) || (await applianceOrLack()).lack
  if (lack) {
    console.error(`this host cannot run the demo study: ${lack}`)
    return 1
  }
  const { state: _, ...demo } = parse(readFileSync(join(repository, 'kvmio.yaml'), 'utf8'))
  // What the demo leaves out and panels show: a balloon, and a limit that it does not reach.
  demo.guests.student.balloon = { target: '160MiB' }
  demo.guests.student.drives.root.throttle = { iops: 1000 }
  // Three scrapes see a vm that has written and flushed.
  demo.studies.demo.workload['boot-write-shutdown'].settle = '45s'
  demo.tiers.local = { ...demo.tiers.local, directory: 'state/local' }
  const owner = { teardown: (fn: () => unknown) => void teardowns.push(fn) }
  const home = await homeFor(owner, demo)
  const address = `127.0.0.1:${await freePort()}`
  // Prometheus first, so that it sees every counter begin.
  const prometheus = await startPrometheus(owner, home.directory, address)
  const began = Date.now()
  const serving = await serve(home, '--web.listen-address', address)

  const cases = Object.values<unknown[]>(demo.studies.demo.factors).reduce(
    (product, values) => product * values.length,
    1,
  )
  const limit = Number(options.minutes) * 60_000
  const passed = () =>
    new Set(journal(home).flatMap((run) => (run.outcome === 'passed' ? [run.case] : [])))
  await until(`${cases} cases to have passed`, () => passed().size >= cases, limit).catch(
    (error) => {
      console.error(
        `${error.message}: ${[...passed()].join(', ') || 'none'} did; goes on with what there is`,
      )
    },
  )
  // Before they go.
  await until(
    'both vms to have written',
    async () => {
      const phases = (await scrape(serving)).all('kvmio_vm_phase').flatMap(phaseNow)
      return phases.length === 2 && phases.every((phase) => phase === 'settle')
    },
    360_000,
  )
  await sleep(3 * SCRAPE_SECONDS * 1000)
  const end = Date.now() / 1000
  const minutes = Math.round((Date.now() - began) / 60_000)

  const rows: Row[] = []
  for (const [name, dashboard] of await readDashboards())
    rows.push(...(await askAll(prometheus, name.replace('.json', ''), dashboard, end)))
  const { text, problems } = evaluate(rows, minutes)
  process.stdout.write(`${text}\n${problems.map((problem) => `${problem}\n`).join('')}`)
  process.stdout.write(`${rows.length - problems.length} passed, ${problems.length} failed\n`)
  if (options.write !== undefined) writeFileSync(options.write, text)
  if (options.keep) {
    console.log(`Prometheus and kvmio (http://${address}) go on until SIGINT`)
    await new Promise((resolve) => process.once('SIGINT', resolve))
  }
  return problems.length === 0 ? 0 : 1
}

function phaseNow({ labels, value }: { labels: Record<string, string>; value: number }): string[] {
  return value === 1 ? [labels.phase!] : []
}

/** Asks for everything that a dashboard asks for when it is opened. */
async function askAll(
  prometheus: Prometheus,
  name: string,
  dashboard: Dashboard,
  end: number,
): Promise<Row[]> {
  const seconds = secondsBack(dashboard.time.from)
  const step = stepOf(seconds, SCRAPE_SECONDS)
  const range = { seconds, step, scrapeSeconds: SCRAPE_SECONDS }
  const rows: Row[] = []
  const values: Record<string, string | readonly string[]> = {}
  for (const variable of dashboard.templating.list) {
    const selector = selectorOf(variable.query)
    if (selector === undefined) continue
    const text = typeof variable.query === 'string' ? variable.query : variable.query!.query
    const [, label = ''] = /, (\w+)\)$/.exec(text) ?? []
    const asked = interpolate(selector, values, range)
    const began = performance.now()
    const found = await prometheus.find(asked, end - seconds, end)
    const options = [...new Set(found.flatMap((labels) => labels[label] ?? []))].sort()
    values[variable.name] = await preferred(
      prometheus,
      variable.name,
      end,
      chosen(variable, options),
    )
    rows.push({
      dashboard: name,
      panel: `variable ${variable.name}`,
      refId: '',
      answer: {
        series: found.map((metric) => ({ metric })),
        ms: performance.now() - began,
        samples: 0,
      },
      ...(options.length === 0 ? { problem: 'has no value' } : {}),
    })
  }
  for (const { where, expr, panel, target } of expressions(dashboard)) {
    if (where.startsWith('variable ')) continue
    const asked = interpolate(expr, values, range)
    const row = { dashboard: name, panel: panel?.title ?? where, refId: target?.refId ?? '' }
    try {
      const answer = target?.instant
        ? await prometheus.query(asked, end)
        : await prometheus.queryRange(asked, end - seconds, end, step)
      const reason = reasonFor(name, row.panel, row.refId)
      const problem =
        answer.series.length === 0
          ? reason === undefined && 'is empty'
          : panel && target && wrongShape(panel, target, answer.series)
      rows.push({ ...row, answer, ...(reason ? { reason } : {}), ...(problem ? { problem } : {}) })
    } catch (error) {
      const answer = { series: [], ms: 0, samples: 0 }
      rows.push({ ...row, answer, problem: `${(error as Error).message}: ${asked}` })
    }
  }
  return rows
}

/** A vm that runs now, as a link from another dashboard would choose one; else what the dashboard opens with. */
async function preferred(
  prometheus: Prometheus,
  name: string,
  time: number,
  opened: Values[string],
): Promise<Values[string]> {
  if (name !== 'vm' || typeof opened !== 'string') return opened
  const { series } = await prometheus.query('kvmio_vm_up == 1', time)
  return series[0]?.metric.vm ?? opened
}

function evaluate(rows: readonly Row[], minutes: number): { text: string; problems: string[] } {
  const queries = rows.filter(({ refId }) => refId !== '')
  const empty = queries.filter(({ answer }) => answer.series.length === 0)
  const dear = queries.filter(({ answer }) => answer.samples > MOST_SAMPLES)
  const unused = EMPTIES.filter(
    (one) => !rows.some((row) => row.dashboard === one.dashboard && row.panel === one.panel),
  )
  const named = ({ dashboard, panel, refId }: Row) => `${dashboard}: ${panel} ${refId}`.trim()
  const problems = [
    ...rows.flatMap((row) => (row.problem ? [`${named(row)} ${row.problem}`] : [])),
    ...dear.map((row) => `${named(row)} loads ${row.answer.samples} samples`),
    ...unused.map((one) => `${one.dashboard}: ${one.panel}: may be empty, but is not there`),
    ...(empty.length > queries.length * MOST_EMPTY
      ? [`${empty.length} of ${queries.length} queries are empty, more than one in twenty`]
      : []),
  ]
  const slowest = queries.toSorted((a, b) => b.answer.ms - a.answer.ms).slice(0, 10)
  const largest = Math.max(...queries.map(({ answer }) => answer.samples))
  const panels = new Set(queries.map(({ dashboard, panel }) => `${dashboard} ${panel}`)).size
  const text = `# The dashboards' queries, asked

\`npm run test:queries\` at commit ${commitWords()} on ${new Date().toISOString().slice(0, 10)} (${hostWords()}, TCG): Prometheus had scraped the demo
study of kvmio.yaml, with a balloon and a limit on the drive, for ${minutes} minutes. ${queries.length} queries of ${panels} panels, ${queries.length - empty.length} with data; the dearest loads ${largest.toLocaleString('en')} samples.

| dashboard | panels | queries | with data | series | samples | time of all |
| --- | --- | --- | --- | --- | --- | --- |
${[...new Set(queries.map(({ dashboard }) => dashboard))].map((name) => summary(name, queries)).join('\n')}

The slowest, on a machine with other work:

| dashboard | panel | query | time | series | samples |
| --- | --- | --- | --- | --- | --- |
${slowest.map(line).join('\n')}

Empty:

| dashboard | panel | query | why |
| --- | --- | --- | --- |
${empty.map(({ dashboard, panel, refId, reason }) => `| ${dashboard} | ${panel} | ${refId} | ${reason ?? '**not known**'} |`).join('\n')}
`
  return { text, problems }
}

function summary(name: string, queries: readonly Row[]): string {
  const own = queries.filter(({ dashboard }) => dashboard === name)
  const sum = (of: (row: Row) => number) => own.reduce((total, row) => total + of(row), 0)
  const cells = [
    name,
    new Set(own.map(({ panel }) => panel)).size,
    own.length,
    own.filter(({ answer }) => answer.series.length > 0).length,
    sum(({ answer }) => answer.series.length),
    sum(({ answer }) => answer.samples).toLocaleString('en'),
    `${Math.round(sum(({ answer }) => answer.ms))} ms`,
  ]
  return `| ${cells.join(' | ')} |`
}

function line({ dashboard, panel, refId, answer }: Row): string {
  const { ms, series, samples } = answer
  return `| ${[dashboard, panel, refId, `${Math.round(ms)} ms`, series.length, samples.toLocaleString('en')].join(' | ')} |`
}
