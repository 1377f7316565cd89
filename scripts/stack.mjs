// kvmio with Prometheus, Alertmanager and, where there is one, Grafana, all with the files of this repository, without
// installing anything: npm run stack. One Ctrl-C ends all of it. Plain JavaScript; npm runs it with the project's own Node.

import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { access, constants, cp, mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { lacksShare, toolsDir, toolsShare } from './tools.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const USAGE = `npm run stack -- [flags]
  --config.file FILE                  kvmio's config (kvmio.yaml)
  --kvmio.listen-address HOST:PORT    (127.0.0.1:10177)
  --prometheus.listen-address         (127.0.0.1:9090)
  --alertmanager.listen-address       (127.0.0.1:9093)
  --grafana.listen-address            (127.0.0.1:3000)
  --prometheus.files DIR              prometheus.yml, alertmanager.yml, rules and targets (prometheus)
  --grafana.files DIR                 provisioning and dashboards (grafana)
  --data DIR                          what they keep (stack in kvmio's state directory)`

// The addresses that the shipped files have.
const ADDRESSES = {
  kvmio: '127.0.0.1:10177',
  prometheus: '127.0.0.1:9090',
  alertmanager: '127.0.0.1:9093',
  grafana: '127.0.0.1:3000',
}
const DASHBOARDS = '/var/lib/grafana/dashboards'
const START_MS = 180_000
const POLL_MS = 200
// kvmio ends its vms and takes its tiers down; whatever still runs then is killed.
const END_MS = 300_000

class StackError extends Error {}

const ending = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (!ending.signal.aborted) console.log(`${signal}: ending all of it`)
    ending.abort()
  })
}

try {
  process.exitCode = await main()
} catch (error) {
  const known = error instanceof StackError || error.name === 'ConfigError'
  console.error(known ? error.message : error)
  process.exitCode = known && error.name === 'ConfigError' ? 2 : 1
}

async function main() {
  const options = readFlags()
  if (options.help) {
    console.log(USAGE)
    return 0
  }
  if (Number(process.versions.node.split('.')[0]) < 24) {
    throw new StackError(
      `the stack needs Node 24, this is ${process.version}; npm run stack brings it`,
    )
  }
  const { loadConfig } = await import('../src/config/load.ts')
  const { state } = await loadConfig(options.configFile)
  const data = resolve(options.data ?? join(state, 'stack'))
  await mkdir(data, { recursive: true })
  const parts = await partsOf(options, data)
  const started = []
  try {
    for (const part of parts) started.push(await start(part, data))
    await Promise.all(started.map(ready))
    if (ending.signal.aborted) return 0
    console.log(`\n${parts.map(({ name, url }) => `${name.padEnd(13)}${url}`).join('\n')}\n`)
    console.log(`Their logs are in ${data}. Ctrl-C ends all of it.`)
    await Promise.race([aborted(), ...started.map(died)])
    return 0
  } finally {
    await Promise.all(started.map(stop))
  }
}

function readFlags() {
  const names = Object.keys(ADDRESSES).map((name) => `${name}.listen-address`)
  const texts = ['config.file', 'prometheus.files', 'grafana.files', 'data', ...names]
  const options = Object.fromEntries(texts.map((name) => [name, { type: 'string' }]))
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: 'boolean' } } })
    const entries = Object.entries(ADDRESSES).map(([name, address]) => [
      name,
      values[`${name}.listen-address`] ?? address,
    ])
    return {
      help: values.help,
      configFile: values['config.file'] ?? join(root, 'kvmio.yaml'),
      addresses: Object.fromEntries(entries),
      prometheusFiles: resolve(values['prometheus.files'] ?? join(root, 'prometheus')),
      grafanaFiles: resolve(values['grafana.files'] ?? join(root, 'grafana')),
      data: values.data,
    }
  } catch (error) {
    throw new StackError(`${error.message}\n${USAGE}`)
  }
}

/** What is started, in this order. */
async function partsOf({ configFile, addresses, prometheusFiles, grafanaFiles }, data) {
  const prometheus = await find('prometheus')
  if (!prometheus) throw new StackError('prometheus is not installed and could not be fetched')
  const files = await rewritten(prometheusFiles, join(data, 'prometheus-files'), addresses)
  const listen = (name) => `--web.listen-address=${addresses[name]}`
  const url = (name) => `http://${addresses[name]}`
  const serve = ['--max-semi-space-size=4', join(root, 'src/main.ts'), 'serve']
  const main = [...serve, `--config.file=${configFile}`]
  const parts = [
    {
      name: 'kvmio',
      file: process.execPath,
      args: [...main, listen('kvmio')],
      probe: '/-/ready',
      loud: true,
    },
    {
      name: 'prometheus',
      file: prometheus,
      args: [
        `--config.file=${join(files, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(data, 'prometheus')}`,
        listen('prometheus'),
      ],
      probe: '/-/ready',
    },
    await alertmanagerPart(files, data, listen('alertmanager')),
    await grafanaPart(grafanaFiles, data, addresses),
  ]
  return parts.filter(Boolean).map((part) => ({ ...part, url: url(part.name) }))
}

async function alertmanagerPart(files, data, listen) {
  const own = await find('alertmanager') // with its templates in itself
  const file = own ?? (await find('prometheus-alertmanager'))
  const config = join(files, 'alertmanager.yml')
  if (!file || !(await isThere(config))) {
    console.log(`alertmanager: not started: there is no ${file ? config : 'program of that name'}`)
    return undefined
  }
  const args = [`--config.file=${config}`, `--storage.path=${join(data, 'alertmanager')}`]
  const alone = '--cluster.listen-address=' // else it opens a port for others of its kind
  const plain = [file, ...args, listen, alone]
  const argv = own ? plain : await withShare(plain)
  return { name: 'alertmanager', file: argv[0], args: argv.slice(1), probe: '/-/ready' }
}

/** Lets an unpacked Alertmanager find its templates where Debian has compiled in that they are. */
async function withShare(argv) {
  if (!(await lacksShare('prometheus-alertmanager'))) return argv
  const namespace = process.getuid() === 0 ? ['--mount'] : ['--mount', '--map-root-user']
  const becoming = [process.execPath, join(root, 'scripts/with-share.mjs'), toolsShare]
  return ['unshare', ...namespace, ...becoming, ...argv]
}

async function grafanaPart(files, data, addresses) {
  const grafana = await find('grafana')
  const file = grafana ?? (await find('grafana-server'))
  if (!file) {
    console.log('grafana: not started: there is neither grafana nor grafana-server on the PATH')
    return undefined
  }
  const source = join(files, 'provisioning')
  const texts = { ...addresses, dashboards: join(files, 'dashboards') }
  const provisioning = await rewritten(source, join(data, 'grafana-provisioning'), texts)
  const port = addresses.grafana.lastIndexOf(':')
  const home = await grafanaHome(file)
  return {
    name: 'grafana',
    file,
    args: [...(grafana ? ['server'] : []), ...(home ? ['--homepath', home] : [])],
    env: {
      GF_SERVER_HTTP_ADDR: addresses.grafana.slice(0, port),
      GF_SERVER_HTTP_PORT: addresses.grafana.slice(port + 1),
      GF_PATHS_DATA: join(data, 'grafana'),
      GF_PATHS_LOGS: join(data, 'grafana/log'),
      GF_PATHS_PLUGINS: join(data, 'grafana/plugins'),
      GF_PATHS_PROVISIONING: provisioning,
      // On loopback, unless somebody says otherwise.
      GF_AUTH_ANONYMOUS_ENABLED: 'true',
      GF_AUTH_ANONYMOUS_ORG_ROLE: 'Viewer',
      GF_ANALYTICS_REPORTING_ENABLED: 'false',
      GF_ANALYTICS_CHECK_FOR_UPDATES: 'false',
    },
    probe: '/api/health',
  }
}

/** Where Grafana's own files are: beside an unpacked program, else where its packages put them. */
async function grafanaHome(file) {
  const beside = dirname(dirname(await realpath(file)))
  for (const home of [beside, '/usr/share/grafana']) {
    if (await isThere(join(home, 'public'))) return home
  }
}

/**
 * A folder of shipped files: itself where everything has the address that the files have, so that an edit counts with the
 * next reload; else a copy with the other addresses in it.
 */
async function rewritten(folder, copy, texts) {
  const shipped = { ...ADDRESSES, dashboards: DASHBOARDS }
  const others = Object.entries(texts).filter(([name, text]) => text !== shipped[name])
  if (others.length === 0) return folder
  await rm(copy, { recursive: true, force: true })
  await cp(folder, copy, { recursive: true })
  const names = [
    'prometheus.yml',
    'targets/local.yml',
    'datasources/kvmio.yml',
    'dashboards/kvmio.yml',
  ]
  for (const name of names.map((name) => join(copy, name))) {
    if (!(await isThere(name))) continue
    let text = await readFile(name, 'utf8')
    for (const [key, other] of others) text = text.replaceAll(shipped[key], () => other)
    await writeFile(name, text)
  }
  return copy
}

/** Starts a part in a process group of its own, since a Ctrl-C at the terminal is for this program alone. */
async function start(part, data) {
  const { name, file, args, env, loud = false } = part
  const log = join(data, `${name}.log`)
  const output = loud ? 'inherit' : openSync(log, 'w')
  const child = spawn(file, args, {
    detached: true,
    stdio: ['ignore', output, output],
    env: { ...process.env, ...env },
  })
  if (!loud) closeSync(output)
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) =>
      resolve(signal ? `killed by ${signal}` : `exit code ${code}`),
    )
  })
  return { ...part, child, ended, log: loud ? undefined : log }
}

/** Waits until it answers; throws when it has ended before. */
async function ready(part) {
  const { name, url, probe } = part
  const late = AbortSignal.timeout(START_MS)
  const signal = AbortSignal.any([late, ending.signal]) // something else may listen there and never answer
  const answered = async () => {
    while (!ending.signal.aborted && !late.aborted) {
      const answer = await fetch(url + probe, { signal }).catch(() => undefined)
      if (answer?.ok) return
      await sleep(POLL_MS)
    }
    if (!ending.signal.aborted) {
      throw new StackError(`${name} did not answer at ${url}${probe} in ${START_MS / 1000} s`)
    }
  }
  await Promise.race([answered(), died(part)])
}

/** Throws once it has ended without having been asked to. */
async function died({ name, ended, log }) {
  const end = await ended
  if (ending.signal.aborted) return
  const lines = log ? (await readFile(log, 'utf8')).trimEnd().split('\n').slice(-5) : []
  throw new StackError([`${name} has ended (${end})`, ...lines].join('\n  '))
}

async function stop({ name, child, ended }) {
  ending.abort()
  if (child.pid === undefined) return
  child.kill('SIGTERM')
  const killed = sleep(END_MS, 'late', { ref: false })
  if ((await Promise.race([ended, killed])) !== 'late') return
  console.error(`${name} did not end in ${END_MS / 1000} s and is killed`)
  child.kill('SIGKILL')
  await ended
}

function aborted() {
  return new Promise((resolve) => {
    if (ending.signal.aborted) resolve()
    ending.signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** On the PATH, else among what set-up has unpacked. */
async function find(program) {
  const folders = [...(process.env.PATH ?? '').split(':'), join(toolsDir, 'bin')]
  for (const file of folders.filter(Boolean).map((folder) => join(folder, program))) {
    if (await isThere(file, constants.X_OK)) return file
  }
}

async function isThere(file, mode = constants.F_OK) {
  return await access(file, mode).then(
    () => true,
    () => false,
  )
}
