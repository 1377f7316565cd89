// A real Prometheus and a real Alertmanager, for as long as a test takes.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProcess } from '../../src/lib/process.ts'
import { until } from '../e2e/kvmio.ts'
import { freePort } from '../ports.ts'
import { findTool, lacking } from '../tools.ts'

// @ts-expect-error: plain JavaScript, since scripts run before TypeScript is there
const tools = await import('../../scripts/tools.mjs')

interface Owner {
  teardown(step: () => unknown): void
}

export interface Series {
  metric: Record<string, string>
  value: [at: number, value: string]
}

export type Query = (expression: string) => Promise<Series[]>

/** Why the first of these programs that is not there cannot be started. */
export function lackingTool(...names: string[]): string | false {
  return names.map(lacking).find((lack) => lack !== false) ?? false
}

/** Starts it, and gives its address once it is ready. */
export async function servePrometheus(owner: Owner, configFile: string): Promise<string> {
  const address = `127.0.0.1:${await freePort()}`
  await start(owner, 'prometheus', (data) => [
    `--config.file=${configFile}`,
    `--storage.tsdb.path=${data}`,
    `--web.listen-address=${address}`,
  ])
  await until('Prometheus to be ready', () => isReady(address))
  return address
}

export async function startPrometheus(owner: Owner, configFile: string): Promise<Query> {
  const address = await servePrometheus(owner, configFile)
  return async (expression) => {
    const url = `http://${address}/api/v1/query?query=${encodeURIComponent(expression)}`
    const answer = (await (await fetch(url)).json()) as {
      data?: { result: Series[] }
      error?: string
    }
    if (!answer.data) throw new Error(`${expression}: ${answer.error}`)
    return answer.data.result
  }
}

/** Without a cluster of its own, which it would look for on all of the host's addresses. */
export async function startAlertmanager(
  owner: Owner,
  configFile: string,
  address: string,
): Promise<void> {
  await start(owner, 'prometheus-alertmanager', (data) => [
    `--config.file=${configFile}`,
    `--storage.path=${data}`,
    `--web.listen-address=${address}`,
    '--cluster.listen-address=',
  ])
  await until('Alertmanager to be ready', () => isReady(address))
}

async function start(owner: Owner, name: string, argsFor: (data: string) => string[]) {
  const data = await mkdtemp(join(tmpdir(), `kvmio-${name}-`))
  const [file, ...args] = await withShare(name, [findTool(name) ?? '', ...argsFor(data)])
  const server = startProcess({ file: file!, args })
  owner.teardown(async () => {
    await server.stop()
    await rm(data, { recursive: true, force: true })
  })
}

/** What a package has in /usr/share is not there when it was unpacked and not installed: it is shown to its program alone. */
async function withShare(name: string, command: string[]): Promise<string[]> {
  if (!command[0]!.startsWith(tools.toolsDir) || !(await tools.lacksShare(name))) return command
  const own = process.geteuid?.() === 0 ? ['--mount'] : ['--mount', '--map-root-user']
  const script = join(import.meta.dirname, '../../scripts/with-share.mjs')
  return ['unshare', ...own, process.execPath, script, tools.toolsShare, ...command]
}

function isReady(address: string): Promise<boolean> {
  return fetch(`http://${address}/-/ready`).then(
    ({ ok }) => ok,
    () => false,
  )
}
