import { isUtf8 } from 'node:buffer'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { createSecureContext, type SecureVersion } from 'node:tls'
import { ConfigError, codeOf, messageOf } from '../lib/errors.ts'
import { checked, parseSource, unreadable } from './load.ts'
import { inside, type Problem } from './problems.ts'
import { type Readable, readable } from './readable.ts'
import { fixedWebProblems, webRuleProblems } from './web-rules.ts'
import {
  CIPHERS,
  CURVES,
  type TlsServerConfig,
  VERSIONS,
  type WebConfigFile,
  webConfigSchema,
} from './web-schema.ts'

/** What a web config says, in Node's words, with the text of the files that it names. */
export interface WebConfig {
  tls?: TlsConfig
  headers: Readonly<Record<string, string>>
  /** bcrypt hashes by user. */
  users: Readonly<Record<string, string>>
  /** As it stands in the file. */
  source: WebConfigFile
}

export interface TlsConfig {
  /** PEM. */
  cert: string
  /** PEM. */
  key: string
  /** When the certificate expires, in seconds of Unix time. */
  notAfter: number
  clientAuth: TlsServerConfig['client_auth_type']
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

/** A web config that was read, or why it cannot be used. */
export interface WebConfigReading {
  config?: WebConfig
  error?: ConfigError
  /** Each file that was looked at, with its state just before: what has changed has another one. */
  states: ReadonlyMap<string, string>
}

/**
 * Reads a web config and the certificates that it names; with the one in force, also for changes that need a new start.
 * Not asynchronous, so that a connection that comes just now is answered by what it says.
 */
export function readWebConfig(file: string, running?: WebConfig): WebConfigReading {
  const states = new Map<string, string>()
  const read = (name: string) => {
    states.set(name, fileState(name))
    return readFileSync(name)
  }
  try {
    return { config: parseWebConfig(textOf(file, read), file, read, running), states }
  } catch (error) {
    if (error instanceof ConfigError) return { error, states }
    throw error
  }
}

/** Which of its contents a file has: another text is another inode, or another time of change. */
export function fileState(file: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join()
  } catch (error) {
    return codeOf(error) ?? messageOf(error)
  }
}

type Read = (file: string) => Buffer

function textOf(file: string, read: Read): string {
  let bytes: Buffer
  try {
    bytes = read(file)
  } catch (error) {
    throw new ConfigError([`${file}: ${unreadable(error, 'see --web.config.file')}`])
  }
  if (!isUtf8(bytes)) throw new ConfigError([`${file}: expected UTF-8 text, got other bytes`])
  return bytes.toString()
}

function parseWebConfig(text: string, file: string, read: Read, running?: WebConfig): WebConfig {
  // An empty file asks for nothing, as in exporter-toolkit.
  const asked = text.replaceAll(/^\s*#.*$/gm, '').trim() === '' ? '{}' : text
  const expected = 'a mapping with tls_server_config, http_server_config and basic_auth_users'
  const source = parseSource(asked, file, expected)
  const parts = readable(webConfigSchema, source.value) ?? {}
  const rules = webRuleProblems(parts)
  const tls = parts.tls_server_config
  const sound = tls && !rules.some(({ path: [first] }) => first === 'tls_server_config')
  const pems = sound ? readPems(tls, dirname(resolve(file)), read) : NO_PEMS
  const config = checked(source, webConfigSchema, [
    ...rules,
    ...inside(['tls_server_config'], pems.problems),
    ...(running ? fixedWebProblems(tlsOf(parts), running.source.tls_server_config) : []),
  ])
  const { tls_server_config, http_server_config, basic_auth_users: users } = config
  const result: WebConfig = { headers: given(http_server_config.headers), users, source: config }
  if (tls_server_config) result.tls = tlsConfig(tls_server_config, pems)
  return result
}

/** What the rules of a change look at. */
function tlsOf(parts: Readable<WebConfigFile>): WebConfigFile['tls_server_config'] {
  return parts.tls_server_config as WebConfigFile['tls_server_config']
}

interface Pems {
  cert?: string
  key?: string
  clientCa?: string
  problems: Problem[]
}

const NO_PEMS: Pems = { problems: [] }

function readPems(tls: Readable<TlsServerConfig>, folder: string, read: Read): Pems {
  const pems: Pems = { problems: [] }
  const part = (key: 'cert' | 'key' | 'client_ca', check: (pem: string) => void) => {
    const name = tls[`${key}_file`]
    const place = name === undefined ? key : (`${key}_file` as const)
    try {
      const pem = name === undefined ? tls[key] : read(resolve(folder, name)).toString()
      if (pem === undefined) return undefined
      check(pem)
      return pem
    } catch (error) {
      const message =
        error instanceof ConfigError
          ? error.message
          : `${name && resolve(folder, name)}: ${unreadable(error)}`
      pems.problems.push({ path: [place], at: 'value', message })
      return undefined
    }
  }
  pems.cert = part('cert', (pem) => void certificate(pem))
  pems.key = part('key', (pem) => {
    const key = privateKey(pem)
    if (pems.cert === undefined || certificate(pems.cert).checkPrivateKey(key)) return
    throw new ConfigError(['expected the key of the certificate, got that of another'])
  })
  pems.clientCa = part('client_ca', (pem) => void certificate(pem))
  return pems
}

function certificate(pem: string): X509Certificate {
  try {
    createSecureContext({ cert: pem }) // the whole chain
    return new X509Certificate(pem)
  } catch (error) {
    throw new ConfigError([`expected certificates in PEM, got something else (${reason(error)})`])
  }
}

function privateKey(pem: string) {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    const expected = /^-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(pem)
      ? 'expected a private key without a passphrase, got one with'
      : `expected a private key in PEM, got something else (${reason(error)})`
    throw new ConfigError([expected])
  }
}

/** OpenSSL's own words, `no start line`, of its line with numbers and colons. */
function reason(error: unknown): string {
  const words = (error as { reason?: unknown }).reason
  return typeof words === 'string' ? words : messageOf(error)
}

function tlsConfig(tls: TlsServerConfig, { cert, key, clientCa }: Pems): TlsConfig {
  return given({
    cert: cert!,
    key: key!,
    notAfter: certificate(cert!).validToDate.getTime() / 1000,
    clientAuth: tls.client_auth_type,
    clientCa,
    clientAllowedSans: tls.client_allowed_sans,
    minVersion: VERSIONS[tls.min_version],
    maxVersion: tls.max_version && VERSIONS[tls.max_version],
    ciphers: tls.cipher_suites?.map((name) => CIPHERS[name]),
    curves: tls.curve_preferences?.map((name) => CURVES[name]),
    honorCipherOrder: tls.prefer_server_cipher_suites,
  }) as TlsConfig
}

/** Without the keys that were not given. */
function given<T extends object>(values: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [Key in keyof T]: Exclude<T[Key], undefined> }
}
