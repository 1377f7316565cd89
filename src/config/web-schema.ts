import { z } from 'zod'
import { path } from './values.ts'

// Every key of the file that --web.config.file names, in the format of Prometheus' exporter-toolkit, so that one file serves
// kvmio and the exporters beside it: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
// What kvmio cannot do of it is refused. Rules that need more than one key stand in web-rules.ts.

/** Go's names of cipher suites, which the format has, and OpenSSL's; those of TLS 1.3 are the same in both. */
export const CIPHERS = {
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
} as const

/** Go's names of the groups that keys are agreed in, and OpenSSL's. */
export const CURVES = {
  CurveP256: 'P-256',
  CurveP384: 'P-384',
  CurveP521: 'P-521',
  X25519: 'X25519',
} as const

export const VERSIONS = { TLS12: 'TLSv1.2', TLS13: 'TLSv1.3' } as const

export const CLIENT_AUTH = [
  'NoClientCert',
  'RequestClientCert',
  'RequireAnyClientCert',
  'VerifyClientCertIfGiven',
  'RequireAndVerifyClientCert',
] as const

const namesOf = <Name extends string>(table: Record<Name, string>) =>
  z.enum(Object.keys(table) as [Name, ...Name[]])

const listOf = <Name extends string>(table: Record<Name, string>) => {
  const expected = 'a list with at least one name'
  return z.array(namesOf(table), expected).min(1, expected)
}

/** What no message may repeat, since messages are logged; web-rules.ts looks at it. */
const secret = z.custom<string>(() => true)

const tlsServerConfig = z.strictObject({
  cert_file: path.optional().describe('Certificate and chain, PEM; relative to this file'),
  key_file: path.optional().describe('Its private key, PEM, without a passphrase'),
  cert: z.string().optional().describe('The certificate itself instead of its file'),
  key: secret.optional().describe('The key itself instead of its file'),
  client_auth_type: z
    .enum(CLIENT_AUTH)
    .default('NoClientCert')
    .describe('Whether clients show a certificate, and whether it is verified'),
  client_ca_file: path.optional().describe("Who may have signed a client's certificate, PEM"),
  client_ca: z.string().optional().describe('The same in the place of its file'),
  client_allowed_sans: z
    .array(z.string().min(1, 'a name'))
    .optional()
    .describe("Alternative names, one of which a client's certificate must have"),
  min_version: namesOf(VERSIONS).default('TLS12').describe('The oldest version that is spoken'),
  max_version: namesOf(VERSIONS).optional().describe('The newest; TLS 1.3 by default'),
  cipher_suites: listOf(CIPHERS)
    .optional()
    .describe('Those of TLS 1.2, and of TLS 1.3 if one of it is named; good ones by default'),
  prefer_server_cipher_suites: z
    .boolean()
    .default(true)
    .describe("Whether the order of kvmio's cipher suites counts, or the client's"),
  curve_preferences: listOf(CURVES).optional().describe('Groups for key agreement, the best first'),
})

const HEADER = 'text of visible characters on one line'
const header = z.string(HEADER).regex(/^[\x20-\x7e]+$/, HEADER)

const httpServerConfig = z.strictObject({
  http2: z
    .literal(false, 'false, since kvmio speaks HTTP/1.1')
    .optional()
    .describe('kvmio speaks HTTP/1.1, which clients find out by themselves'),
  headers: z
    .strictObject({
      'Content-Security-Policy': header.optional(),
      'Strict-Transport-Security': header.optional(),
      'X-Content-Type-Options': z.literal('nosniff', 'nosniff').optional(),
      'X-Frame-Options': z.enum(['deny', 'sameorigin']).optional(),
      'X-XSS-Protection': header.optional(),
    })
    .default({})
    .describe('Headers of each answer, unless the answer has its own'),
})

const USER = 'a name without a colon'

/** The web config file. */
export const webConfigSchema = z.strictObject({
  tls_server_config: tlsServerConfig.optional().describe('HTTPS instead of HTTP'),
  http_server_config: httpServerConfig.prefault({}).describe('What HTTP itself does'),
  basic_auth_users: z
    .record(z.string().regex(/^[^:]+$/, USER), secret)
    .default({})
    .describe('Who may ask, with the bcrypt hash of their password; everybody by default'),
})

/** What the file says. */
export type WebConfigFile = z.output<typeof webConfigSchema>
export type TlsServerConfig = NonNullable<WebConfigFile['tls_server_config']>
