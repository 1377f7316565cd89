import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { hostname } from 'node:os'

const SAFE_METHODS: readonly (string | undefined)[] = ['GET', 'HEAD', 'OPTIONS']

/**
 * Why a request that changes something is refused: a page of another site made it (Origin, Sec-Fetch-Site), or a name that
 * was pointed at this host to get round that rule (Host; "DNS rebinding", for which an address, the host's own name or one
 * that its certificate was made for is no use).
 */
export function foreign(request: IncomingMessage, certificate?: string): string | undefined {
  if (SAFE_METHODS.includes(request.method)) return undefined
  const { host = '', origin, 'sec-fetch-site': site } = request.headers
  const name = host
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()
  if (!isOwn(name, certificate)) {
    return `The Host header names ${JSON.stringify(host)}, which is not this host.`
  }
  // A proxy in front of kvmio may have the TLS that kvmio itself has not.
  const own =
    certificate === undefined ? [`http://${host}`, `https://${host}`] : [`https://${host}`]
  if (origin !== undefined && !own.includes(origin)) {
    return `The request comes from a page of another site (Origin ${JSON.stringify(origin)}).`
  }
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    return `The request comes from a page of another site (Sec-Fetch-Site ${JSON.stringify(site)}).`
  }
  return undefined
}

function isOwn(name: string, certificate: string | undefined): boolean {
  if (isIP(name) !== 0 || name === 'localhost' || name === hostname().toLowerCase()) return true
  return certificate !== undefined && new X509Certificate(certificate).checkHost(name) !== undefined
}
