import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { access, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { missingPrograms } from '../../src/storage/programs.ts'
import { freePort } from '../ports.ts'
import { lacking } from '../tools.ts'
import { type Home, homeFor, nothingLeft, repository, says, start, until } from './kvmio.ts'

const NODE = join(repository, 'node_modules/.bin/node')
const NAMES = ['kvmio', 'prometheus', 'alertmanager', 'grafana'] as const
const TEMPLATES = ['/usr/share', join(repository, '.kvmio/tools/share')].map((folder) =>
  join(folder, 'prometheus/alertmanager/default.tmpl'),
)
const skip =
  (await missingPrograms(['qemu-system-x86_64'])) ||
  ['prometheus', 'prometheus-alertmanager'].map(lacking).find(Boolean) ||
  (!TEMPLATES.some(existsSync) && "Alertmanager's templates could not be fetched")

t.test('the stack comes up whole, and one SIGINT ends all of it', { skip }, async (t) => {
  const home = await homeFor(t, { tiers: {}, guests: {}, studies: {} })
  const addresses = await freeAddresses()
  const files = await shippedFiles(home)
  await grafanaThatTells(home)
  const stack = startStack(home, addresses, '--prometheus.files', files)
  await says(stack, 'Ctrl-C ends all of it')
  for (const name of NAMES) {
    t.match(stack.said(), `\n${name.padEnd(13)}http://${addresses[name]}\n`)
  }

  const ask = async <T>(name: (typeof NAMES)[number], path: string): Promise<T> =>
    (await (await fetch(`http://${addresses[name]}${path}`)).json()) as T
  const target = await until('Prometheus to have scraped kvmio', async () => {
    const { data } = await ask<Targets>('prometheus', '/api/v1/targets')
    const [target] = data.activeTargets
    return target?.health === 'up' && target
  })
  t.match(target, { health: 'up', lastError: '', labels: { job: 'kvmio' } })
  t.equal(target?.scrapeUrl, `http://${addresses.kvmio}/metrics`)
  const alerting = await until('Prometheus to know its Alertmanager', async () => {
    const { data } = await ask<Alertmanagers>('prometheus', '/api/v1/alertmanagers')
    return data.activeAlertmanagers.length > 0 && data.activeAlertmanagers
  })
  t.strictSame(alerting, [{ url: `http://${addresses.alertmanager}/api/v2/alerts` }])
  const status = await ask<{ versionInfo: object }>('alertmanager', '/api/v2/status')
  t.ok(status.versionInfo)

  await t.test('what Grafana is given', async (t) => {
    const { argv, env } = JSON.parse(await readFile(join(home.directory, 'grafana.json'), 'utf8'))
    t.equal(argv[0], 'server')
    t.equal(`${env.GF_SERVER_HTTP_ADDR}:${env.GF_SERVER_HTTP_PORT}`, addresses.grafana)
    t.ok(env.GF_PATHS_DATA.startsWith(join(home.state, 'stack/')))
    const given = (name: string) => readFile(join(env.GF_PATHS_PROVISIONING, name), 'utf8')
    t.match(await given('datasources/kvmio.yml'), `url: http://${addresses.prometheus}\n`)
    const [, dashboards] = /path: (.*)$/m.exec(await given('dashboards/kvmio.yml'))!
    t.equal(dashboards, join(repository, 'grafana/dashboards'))
  })

  stack.kill('SIGINT')
  const { code, stderr } = await stack.end()
  t.equal(code, 0, stderr)
  t.match(stack.said(), 'SIGINT: ending all of it\n')
  for (const name of NAMES) {
    await t.rejects(fetch(`http://${addresses[name]}/`), `${name} is gone`)
  }
  await t.resolves(access(join(home.state, 'stack/prometheus/wal')), 'its data is where it belongs')
  await nothingLeft(t, home)
})

t.test('one that cannot start ends the others, and says why', { skip }, async (t) => {
  const home = await homeFor(t, { tiers: {}, guests: {}, studies: {} })
  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const taken = `127.0.0.1:${(other.address() as AddressInfo).port}`
  const stack = startStack(home, { ...(await freeAddresses()), prometheus: taken })
  const { code, stderr } = await stack.end(120_000)
  t.equal(code, 1)
  t.match(stderr, /^prometheus has ended \(exit code 1\)$/m)
  t.match(stderr, `${taken}: bind: address already in use`)
  await nothingLeft(t, home)
})

t.test('flags that it does not know', async (t) => {
  const home = await homeFor(t, { tiers: {}, guests: {}, studies: {} })
  const { code, stderr } = await start(home, [NODE, script, '--port', '1']).end()
  t.equal(code, 1)
  t.match(stderr, "Unknown option '--port'")
  t.match(stderr, '--prometheus.listen-address')
  const missing = await start(home, [NODE, script, '--config.file', 'nothing.yaml']).end()
  t.equal(missing.code, 2)
  t.match(missing.stderr, /^nothing.yaml: no such file/)
})

const script = join(repository, 'scripts/stack.mjs')

type Addresses = Record<(typeof NAMES)[number], string>

interface Targets {
  data: {
    activeTargets: { health: string; lastError: string; scrapeUrl: string; labels: object }[]
  }
}

interface Alertmanagers {
  data: { activeAlertmanagers: { url: string }[] }
}

function startStack(home: Home, addresses: Addresses, ...more: string[]) {
  const path = `PATH=${join(home.directory, 'bin')}:${process.env.PATH}`
  const flags = NAMES.flatMap((name) => [`--${name}.listen-address`, addresses[name]])
  const config = ['--config.file', home.configFile]
  return start(home, [path, NODE, script, ...config, ...flags, ...more])
}

async function freeAddresses(): Promise<Addresses> {
  const entries = NAMES.map(async (name) => [name, `127.0.0.1:${await freePort()}`] as const)
  return Object.fromEntries(await Promise.all(entries)) as Addresses
}

/** The shipped files at a quicker pace. */
async function shippedFiles({ directory }: Home): Promise<string> {
  const files = join(directory, 'files')
  await cp(join(repository, 'prometheus'), files, { recursive: true })
  const file = join(files, 'prometheus.yml')
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replaceAll(/(_interval): 10s/g, '$1: 5s'))
  return files
}

/** Grafana is not among what tests can have; this one answers as it does, and tells what it was given. */
async function grafanaThatTells({ directory }: Home): Promise<void> {
  const told = JSON.stringify(join(directory, 'grafana.json'))
  const text = `#!${NODE}
const { argv, env } = process
require('node:fs').writeFileSync(${told}, JSON.stringify({ argv: argv.slice(2), env }))
require('node:http').createServer((_, response) => response.end('{}'))
  .listen(env.GF_SERVER_HTTP_PORT, env.GF_SERVER_HTTP_ADDR)
`
  await mkdir(join(directory, 'bin'))
  await writeFile(join(directory, 'bin/grafana'), text, { mode: 0o755 })
}
