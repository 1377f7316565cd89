import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RunningProcess, startProcess } from '../src/lib/process.ts'

const START_MS = 15_000
const POLL_MS = 50

export interface ExporterOptions {
  file: string
  /** With the address to listen on. */
  args(address: string): string[]
  env?: Record<string, string>
  /** Of what is asked for. */
  path: string
  /** How long it may take until it answers. */
  startMs?: number
  /** When it comes, nothing is asked for any more. */
  signal: AbortSignal
}

/** A running exporter, and one connection to it that is kept open. */
export interface Exporter extends AsyncDisposable {
  pid: number
  /** Asks for the page and reads it to its end. */
  scrape(): Promise<string>
}

/** Starts an exporter on a free port of the loopback and waits until it answers. */
export async function startExporter(options: ExporterOptions): Promise<Exporter> {
  const { file, args, env, path, startMs = START_MS, signal } = options
  const port = await freePort()
  const child = startProcess({ file, args: args(`127.0.0.1:${port}`), env, graceMs: 60_000 })
  void drain(child.stdout)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const scrape = async (): Promise<string> => {
    signal.throwIfAborted()
    const request = get({ host: '127.0.0.1', port, path, agent })
    const [response] = await once(request, 'response')
    const page = await text(response)
    if (response.statusCode === 200) return page
    throw new Error(`${file}: ${path}: expected status 200, got ${response.statusCode}: ${page}`)
  }
  const close = async (): Promise<void> => {
    agent.destroy()
    await child.stop()
  }
  try {
    await answer(scrape, child, startMs, signal)
  } catch (error) {
    await close()
    throw error
  }
  return { pid: child.pid, scrape, [Symbol.asyncDispose]: close }
}

/** The lines that carry a value. */
export function seriesOf(page: string): string[] {
  return page.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

async function answer(
  scrape: () => Promise<string>,
  { done }: RunningProcess,
  startMs: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + startMs
  for (;;) {
    try {
      await Promise.race([scrape(), done.then(() => Promise.reject(new Error('it has ended')))])
      return
    } catch (error) {
      if (signal.aborted || Date.now() > deadline) throw error
    }
    await Promise.race([sleep(POLL_MS), done])
  }
}

/** A full pipe would block it. */
async function drain(stdout: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const _ of stdout);
  } catch {} // it has ended
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
