import { once } from 'node:events'
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, KvmioError, messageOf, UsageError } from '../lib/errors.ts'
import { type Log, silentLog } from '../lib/log.ts'
import type { ProtectionNow } from './protection.ts'
import { createTlsServer } from './tls.ts'

/** Longer than the usual scrape intervals, so that Prometheus finds its connection still open. */
const KEEP_ALIVE_MS = 75_000
/** How long a scrape that is under way may take when the server closes. */
const CLOSE_GRACE_MS = 2_000

export interface Listening {
  /** Where it can be reached from this host. */
  url: string
  /** Takes no more requests, lets those under way end for two seconds, and closes every connection. */
  close(): Promise<void>
}

export interface ListenOptions {
  /** `127.0.0.1:10177`, `[::1]:10177`, or `:10177` for every address of the host; port 0 for any free one. */
  address: string
  /** With TLS if it says so; whether it does stays as it is. */
  protection?: ProtectionNow
  log?: Log
}

/** Serves the app. */
export async function listen(app: RequestListener, options: ListenOptions): Promise<Listening> {
  const { address, protection, log = silentLog } = options
  const { host, port } = parseAddress(address)
  const isTls = protection?.().tls !== undefined
  const server = isTls ? createTlsServer(app, () => protection!().tls!, log) : createServer(app)
  server.keepAliveTimeout = KEEP_ALIVE_MS
  const underWay = new Set<ServerResponse>()
  server.on('request', (_request, response) => {
    underWay.add(response)
    response.once('close', () => underWay.delete(response))
  })
  await listening(server, host, port, address)
  const bound = server.address() as AddressInfo
  const name = host === undefined ? 'localhost' : isIP(host) === 6 ? `[${host}]` : host
  return {
    url: `${isTls ? 'https' : 'http'}://${name}:${bound.port}`,
    close: () => close(server, underWay),
  }
}

/** Whether only this host can reach a listen address. */
export function isLoopback(address: string): boolean {
  const { host } = parseAddress(address)
  return host === 'localhost' || host === '::1' || (isIP(host ?? '') === 4 && /^127\./.test(host!))
}

interface ListenAddress {
  /** Undefined for every address of the host. */
  host: string | undefined
  port: number
}

function parseAddress(address: string): ListenAddress {
  const match = /^(?:\[([^\]]*)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(address)
  const port = Number(match?.[3])
  const six = match?.[1]
  if (!match || port > 65_535 || (six !== undefined && isIP(six) !== 6)) {
    throw new UsageError(
      `--web.listen-address: expected HOST:PORT, [IPV6]:PORT or :PORT, got ${JSON.stringify(address)}`,
    )
  }
  return { host: six ?? (match[2] || undefined), port }
}

async function listening(
  server: Server,
  host: string | undefined,
  port: number,
  address: string,
): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen({ host, port }, () => {
        server.off('error', reject)
        resolve()
      })
    })
  } catch (error) {
    const reasons: Record<string, string> = {
      EADDRINUSE: `${address} is in use by another program; pass --web.listen-address`,
      EADDRNOTAVAIL: `${address} is no address of this host; pass --web.listen-address`,
      ENOTFOUND: `${address}: the host's name is not known; pass --web.listen-address`,
      EACCES: `${address} may not be listened on by this user; pass --web.listen-address`,
    }
    const reason = reasons[codeOf(error) ?? ''] ?? `${address}: ${messageOf(error)}`
    throw new KvmioError(reason, { cause: error })
  }
}

async function close(server: Server, underWay: ReadonlySet<ServerResponse>): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  const answered = Promise.all([...underWay].map((response) => once(response, 'close')))
  await Promise.race([answered, sleep(CLOSE_GRACE_MS, undefined, { ref: false })])
  server.closeAllConnections()
  await closed
}
