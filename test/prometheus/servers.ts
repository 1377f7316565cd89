// A real Prometheus and a real Alertmanager, for as long as a test takes.
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProcess } from '../../src/lib/process.ts'
import { until } from '../e2e/kvmio.ts'
import { freePort } from '../ports.ts'
import { findTool, lacking } from '../tools.ts'

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

export async function startPrometheus(owner: Owner, configFile: string): Promise<Query> {
  const address = `127.0.0.1:${await freePort()}`
  await start(owner, 'prometheus', (data) => [
    `--config.file=${configFile}`,
    `--storage.tsdb.path=${data}`,
    `--web.listen-address=${address}`,
  ])
  const query: Query = async (expression) => {
    const url = `http://${address}/api/v1/query?query=${encodeURIComponent(expression)}`
    const answer = (await (await fetch(url)).json()) as {
      data?: { result: Series[] }
      error?: string
    }
    if (!answer.data) throw new Error(`${expression}: ${answer.error}`)
    return answer.data.result
  }
  await until('Prometheus to answer', () => answers(() => query('up')))
  return query
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
  await until('Alertmanager to answer', () => answers(() => fetch(`http://${address}/-/ready`)))
}

async function start(owner: Owner, name: string, argsFor: (data: string) => string[]) {
  const data = await mkdtemp(join(tmpdir(), `kvmio-${name}-`))
  const [file, ...args] = withTemplates([findTool(name) ?? '', ...argsFor(data)])
  const server = startProcess({ file: file!, args })
  owner.teardown(async () => {
    await server.stop()
    await rm(data, { recursive: true, force: true })
  })
}

/**
 * Debian's Alertmanager wants its templates at /usr/share/prometheus/alertmanager. Unpacked and not installed they are not
 * there: it gets a mount namespace of its own in which they are.
 */
function withTemplates(command: string[]): string[] {
  const share = join(import.meta.dirname, '../../.kvmio/tools/share')
  const isInstalled = existsSync('/usr/share/prometheus/alertmanager')
  if (!command[0]!.startsWith(join(share, '..')) || isInstalled || !existsSync(share))
    return command
  const own = process.geteuid?.() === 0 ? ['--mount'] : ['--mount', '--map-root-user']
  const script = 'mount -t overlay overlay -o lowerdir="$0":/usr/share /usr/share && exec "$@"'
  return ['unshare', ...own, 'sh', '-c', script, share, ...command]
}

function answers(ask: () => Promise<unknown>): Promise<boolean> {
  return ask().then(
    () => true,
    () => false,
  )
}
