import { execFile } from 'node:child_process'
import { access, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { catalog } from '../../src/metrics/catalog.ts'
import { freePort } from '../ports.ts'
import { findTool, lacking } from '../tools.ts'
import { folder, metricNames, readRules } from './rules.ts'
import { startAlertmanager } from './servers.ts'

const exec = promisify(execFile)
const alerts = (await readRules()).filter(({ alert }) => alert !== undefined)
const HEADINGS = ['What it means', 'What to look at', 'What to do']

t.test('each alert says how bad, what, with which figures, and what to do', async (t) => {
  t.ok(alerts.length > 10)
  for (const { alert, labels = {}, annotations = {}, for: wait } of alerts) {
    t.match(alert, /^Kvmio([A-Z][a-z]+|IO)+$/)
    t.ok(['warning', 'critical'].includes(labels.severity ?? ''), `${alert}: severity`)
    t.match(
      annotations.summary,
      /^[\w'/ ]+\.$/,
      `${alert}: the summary is a sentence without figures`,
    )
    t.match(annotations.description, /\{\{ \$labels\.instance \}\}/, `${alert}: which host`)
    t.match(wait, /^\d+m$/, `${alert}: for`)
    const runbook = `prometheus/runbooks/${alert}.md`
    t.equal(annotations.runbook_url, runbook)
    await t.resolves(access(join(folder, '..', runbook)), runbook)
  }
})

t.test('docs/alerts.md has each alert with its severity and its for', async (t) => {
  const page = await readFile(join(folder, '../docs/alerts.md'), 'utf8')
  for (const { alert, labels, for: wait } of alerts) {
    const row = page.split('\n').find((line) => line.includes(`runbooks/${alert}.md`))
    const cells = `| ${labels?.severity} | ${wait?.replace('m', ' min')} |`
    t.ok(row?.endsWith(cells), `${alert}: ${cells}`)
  }
})

t.test('the queries of runbooks are PromQL on what there is', async (t) => {
  const known = new Set(catalog.flatMap(({ name }) => [name, `${name}_bucket`]))
  for (const { record } of await readRules()) if (record !== undefined) known.add(record)
  const queries: { record: string; expr: string }[] = []
  for (const { alert } of alerts) {
    const text = await readFile(join(folder, 'runbooks', `${alert}.md`), 'utf8')
    const headings = [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
    t.strictSame(headings, HEADINGS, `${alert}`)
    const own = [...text.matchAll(/^```promql\n(.+?)\n```$/gms)].map(([, expr]) => expr!)
    t.ok(own.length > 0, `${alert}: what to look at`)
    queries.push(...own.map((expr) => ({ record: `x:${alert}:y`, expr })))
    const named = [...own, ...(text.match(/`[^`]*kvmio_[^`]*`/g) ?? [])].flatMap(metricNames)
    t.strictSame(
      named.filter((name) => !known.has(name)),
      [],
      `${alert}`,
    )
  }
  const tool = findTool('promtool')
  if (tool === undefined) return
  const file = join(t.testdir(), 'runbooks.yml')
  const rules = queries.map((query, index) => ({ ...query, record: `${query.record}${index}` }))
  await writeFile(file, JSON.stringify({ groups: [{ name: 'runbooks', rules }] }))
  const { stdout } = await exec(tool, ['check', 'rules', file])
  t.match(stdout, `SUCCESS: ${queries.length} rules found`)
})

t.test('amtool accepts the config', { skip: lacking('amtool') }, async (t) => {
  const file = join(folder, 'alertmanager.yml')
  const { stdout } = await exec(findTool('amtool')!, ['check-config', file])
  t.match(stdout, / - 3 receivers/)
  const broken = join(t.testdir(), 'alertmanager.yml')
  await writeFile(
    broken,
    (await readFile(file, 'utf8')).replace('receiver: nobody', 'receiver: noone'),
  )
  const error = await exec(findTool('amtool')!, ['check-config', broken]).catch((error) => error)
  t.match(`${error.stdout}${error.stderr}`, /undefined receiver "noone"/)
})

t.test('alerts that the rules of inhibition name are there', async (t) => {
  const config = await readFile(join(folder, 'alertmanager.yml'), 'utf8')
  const names = new Set(alerts.map(({ alert }) => alert))
  const used = config.match(/Kvmio[A-Z]\w+/g) ?? []
  t.ok(used.length > 5)
  t.strictSame(
    used.filter((name) => !names.has(name)),
    [],
  )
})

const DISK = { instance: 'a:1', tier: 'disk' }
const VM = { instance: 'a:1', vm: 'v' }

/** What is posted, and which of it is then silent. */
const INHIBITION: [labels: Record<string, string>, isSilent: boolean][] = [
  [{ alertname: 'KvmioDeviceErrors', ...DISK, ...VM, drive: 'root' }, false],
  [{ alertname: 'KvmioTierSaturated', ...DISK }, true],
  [{ alertname: 'KvmioTierSaturated', ...DISK, instance: 'b:1' }, false],
  [{ alertname: 'KvmioTierSaturated', ...DISK, tier: 'other' }, false],
  [{ alertname: 'KvmioTierSpaceLow', ...DISK }, false],
  [{ alertname: 'KvmioVmStalled', ...VM, drive: 'root' }, true],
  [{ alertname: 'KvmioVmStalled', ...VM, vm: 'w' }, false],
  [{ alertname: 'KvmioTierHeadroomExhausted', ...DISK, guest: 'g' }, false],
  [{ alertname: 'KvmioTierHeadroomLow', ...DISK, guest: 'g' }, true],
  [{ alertname: 'KvmioTierHeadroomLow', ...DISK, guest: 'h' }, false],
]

t.test(
  'a real Alertmanager keeps silent what something else explains',
  { skip: lacking('prometheus-alertmanager') },
  async (t) => {
    const address = `127.0.0.1:${await freePort()}`
    await startAlertmanager(t, join(folder, 'alertmanager.yml'), address)
    const url = `http://${address}/api/v2/alerts`
    const posted = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(INHIBITION.map(([labels]) => ({ labels }))),
    })
    t.equal(posted.status, 200)
    const listed = async () => {
      const answer = await fetch(`${url}?inhibited=true&active=true`)
      return (await answer.json()) as {
        labels: Record<string, string>
        status: { state: string }
      }[]
    }
    // An alert that came before what silences it is looked at again when its group is flushed.
    let found = await listed()
    for (let tries = 0; tries < 600 && !isSettled(found); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      found = await listed()
    }
    const stateOf = (labels: Record<string, string>) =>
      found.find((alert) => JSON.stringify(sorted(alert.labels)) === JSON.stringify(sorted(labels)))
        ?.status.state
    for (const [labels, isSilent] of INHIBITION) {
      t.equal(stateOf(labels), isSilent ? 'suppressed' : 'active', JSON.stringify(labels))
    }
  },
)

function isSettled(found: { status: { state: string } }[]): boolean {
  return (
    found.length === INHIBITION.length &&
    found.every(({ status }) => status.state !== 'unprocessed')
  )
}

function sorted(labels: Record<string, string>): [string, string][] {
  return Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))
}
