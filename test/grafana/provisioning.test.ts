import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { readDashboards } from './dashboards.ts'

const root = join(import.meta.dirname, '../..')
const read = async (file: string) => parse(await readFile(join(root, file), 'utf8'))

t.test('the data source is the Prometheus of prometheus.yml', async (t) => {
  const { datasources } = await read('grafana/provisioning/datasources/kvmio.yml')
  t.equal(datasources.length, 1)
  const [{ uid, type, url, jsonData }] = datasources
  t.strictSame([uid, type], ['kvmio-prometheus', 'prometheus'])
  const { global } = await read('prometheus/prometheus.yml')
  t.equal(jsonData.timeInterval, global.scrape_interval, 'panels know how often it scrapes')
  const { services } = await read('compose.yaml')
  t.ok(services.kvmio.ports.some((port: string) => port.startsWith(`${new URL(url).host}:`)))
})

t.test('the dashboards are found where compose mounts them', async (t) => {
  const { providers } = await read('grafana/provisioning/dashboards/kvmio.yml')
  const [{ folder, folderUid, allowUiUpdates, options }] = providers
  t.strictSame([folder, folderUid, allowUiUpdates], ['kvmio', 'kvmio', false])
  const { services } = await read('compose.yaml')
  const { volumes, environment } = services.grafana
  t.ok(volumes.includes(`./grafana/dashboards:${options.path}:ro`))
  t.ok(volumes.includes('./grafana/provisioning:/etc/grafana/provisioning:ro'))
  const home = environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH
  t.equal(home, `${options.path}/tiers.json`)
  t.ok((await readDashboards()).some(([name]) => home.endsWith(`/${name}`)))
})
