import type { RequestListener, Server } from 'node:http'
import { createServer } from 'node:https'
import type { SecureContextOptions, SecureVersion, TLSSocket } from 'node:tls'
import type { Log } from '../lib/log.ts'

/** For whoever connects and says nothing. */
const HANDSHAKE_MS = 10_000

export interface TlsSettings {
  /** PEM. */
  cert: string
  /** PEM. */
  key: string
  clientAuth:
    | 'NoClientCert'
    | 'RequestClientCert'
    | 'RequireAnyClientCert'
    | 'VerifyClientCertIfGiven'
    | 'RequireAndVerifyClientCert'
  /** PEM. */
  clientCa?: string
  clientAllowedSans?: readonly string[]
  minVersion: SecureVersion
  maxVersion?: SecureVersion
  /** OpenSSL's names. */
  ciphers?: readonly string[]
  curves?: readonly string[]
  honorCipherOrder: boolean
}

/** A server that asks for its settings before each handshake, so that a renewed certificate is shown from then on. */
export function createTlsServer(
  app: RequestListener,
  settings: () => TlsSettings,
  log: Log,
): Server {
  let applied = settings()
  const { clientAuth } = applied // which stays as it is: a server that listens cannot change it
  const server = createServer(
    {
      ...contextOptions(applied),
      requestCert: clientAuth !== 'NoClientCert',
      rejectUnauthorized: clientAuth === 'RequireAndVerifyClientCert',
      handshakeTimeout: HANDSHAKE_MS,
    },
    app,
  )
  // Before Node's own listener, which begins the handshake.
  server.prependListener('connection', () => {
    const now = settings()
    if (now === applied) return
    server.setSecureContext(contextOptions(now))
    applied = now
  })
  server.prependListener('secureConnection', (socket) => {
    const reason = clientProblem(applied, socket)
    if (reason === undefined) return
    log.debug({ client: socket.remoteAddress, reason }, "a client's certificate was refused")
    socket.destroy()
  })
  server.on('tlsClientError', (error, socket) => {
    log.debug({ client: socket.remoteAddress, err: error }, 'a TLS handshake failed')
  })
  return server
}

function contextOptions(settings: TlsSettings): SecureContextOptions {
  const { cert, key, clientCa, minVersion, maxVersion, ciphers, curves } = settings
  return {
    ...{ cert, key, ca: clientCa, minVersion, maxVersion },
    honorCipherOrder: settings.honorCipherOrder,
    ciphers: ciphers && withTls13(ciphers).join(':'),
    ecdhCurve: curves?.join(':') ?? 'auto',
  }
}

const TLS13 = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256']

/** Node takes a list without suites of TLS 1.3 as a wish to do without it; Go, whose format this is, always has them. */
function withTls13(ciphers: readonly string[]): readonly string[] {
  return ciphers.some((name) => TLS13.includes(name)) ? ciphers : [...TLS13, ...ciphers]
}

/** Why this client may not come in, beyond what Node looks at by itself. */
function clientProblem(settings: TlsSettings, socket: TLSSocket): string | undefined {
  const { clientAuth, clientAllowedSans } = settings
  if (clientAuth === 'NoClientCert' || clientAuth === 'RequestClientCert') return undefined
  const certificate = socket.getPeerX509Certificate()
  if (!certificate) return clientAuth === 'VerifyClientCertIfGiven' ? undefined : 'it has none'
  if (clientAuth === 'RequireAnyClientCert') return undefined
  if (!socket.authorized) return String(socket.authorizationError)
  if (!clientAllowedSans) return undefined
  const names = alternativeNames(certificate.subjectAltName ?? '')
  if (names.some((name) => clientAllowedSans.includes(name))) return undefined
  return `none of its names is allowed: ${names.join(', ')}`
}

const ALTERNATIVE_NAME = /(?:^|, )(?:DNS|IP Address|URI|email):("(?:[^"\\]|\\.)*"|[^,]*)/g

/** Of Node's line, `DNS:a.example, IP Address:127.0.0.1`, in which what could be misread is a JSON string. */
function alternativeNames(line: string): string[] {
  return [...line.matchAll(ALTERNATIVE_NAME)].map(([, name = '']) =>
    name.startsWith('"') ? JSON.parse(name) : name,
  )
}
