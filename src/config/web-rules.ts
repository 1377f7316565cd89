import { inside, type Problem } from './problems.ts'
import type { Readable } from './readable.ts'
import type { TlsServerConfig, WebConfigFile } from './web-schema.ts'

// What is wrong with a web config beyond single keys. No message has a word of a password's hash or of a key.

/** https://en.wikipedia.org/wiki/Bcrypt#Versioning_history: 2x is of a faulty implementation. */
const BCRYPT = /^\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/

export function webRuleProblems(config: Readable<WebConfigFile>): Problem[] {
  const tls = config.tls_server_config
  return [
    ...(tls ? inside(['tls_server_config'], tlsProblems(tls)) : []),
    ...Object.entries(config.basic_auth_users ?? {}).flatMap(([user, hash]) => {
      if (typeof hash === 'string' && BCRYPT.test(hash)) return []
      const message = 'expected a bcrypt hash, as `htpasswd -nB USER` prints it, got something else'
      return [{ path: ['basic_auth_users', user], at: 'value' as const, message }]
    }),
  ]
}

/** What has changed though a server that listens cannot follow. */
export function fixedWebProblems(
  now: WebConfigFile['tls_server_config'],
  running: WebConfigFile['tls_server_config'],
): Problem[] {
  const problem = (path: string[], before: string, found: string): Problem => ({
    path: ['tls_server_config', ...path],
    at: 'value',
    message: `expected ${before} as long as kvmio runs, got ${found}; start it again to change it`,
  })
  if (!now !== !running) {
    return [problem([], running ? 'one' : 'none', now ? 'one' : 'none')]
  }
  const [before, found] = [running?.client_auth_type, now?.client_auth_type]
  if (!before || !found || before === found) return []
  return [problem(['client_auth_type'], before, found)]
}

function tlsProblems(tls: Readable<TlsServerConfig>): Problem[] {
  const problems: Problem[] = []
  const add = (key: keyof TlsServerConfig, at: Problem['at'], message: string) =>
    problems.push({ path: [key], at, message })
  for (const key of ['cert', 'key', 'client_ca'] as const) {
    if (!Object.hasOwn(tls, key)) continue
    if (Object.hasOwn(tls, `${key}_file`)) {
      add(key, 'key', `expected this or ${key}_file, got both`)
    }
    if (typeof tls[key] !== 'string') add(key, 'value', 'expected text in PEM')
  }
  for (const key of ['cert', 'key'] as const) {
    if (Object.hasOwn(tls, key) || Object.hasOwn(tls, `${key}_file`)) continue
    add(`${key}_file`, 'key', 'expected a path, got nothing')
  }
  if (tls.min_version === 'TLS13' && tls.max_version === 'TLS12') {
    add('max_version', 'value', 'expected TLS13, which is the min_version, got TLS12')
  }
  const type = tls.client_auth_type ?? 'NoClientCert'
  const verifies = ['VerifyClientCertIfGiven', 'RequireAndVerifyClientCert'].includes(type)
  const ca = (['client_ca', 'client_ca_file'] as const).find((key) => Object.hasOwn(tls, key))
  const verifying = 'client_auth_type VerifyClientCertIfGiven or RequireAndVerifyClientCert'
  if (verifies && !ca) {
    add('client_auth_type', 'value', `expected a client_ca_file for ${type}, got none`)
  }
  if (!verifies && ca) add(ca, 'key', `expected ${verifying} beside it, got ${type}`)
  if (!verifies && tls.client_allowed_sans) {
    add('client_allowed_sans', 'key', `expected ${verifying} beside it, got ${type}`)
  }
  return problems
}
