import { execFile } from 'node:child_process'
import { cp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { readWebConfig } from '../../src/config/web-config.ts'
import { WebConfigHolder } from '../../src/config/web-holder.ts'
import { createLog, silentLog } from '../../src/lib/log.ts'
import { makeAuthority, makeCertificate } from '../certificates.ts'
import { findTool, lacking } from '../tools.ts'

const exec = promisify(execFile)
const folder = t.testdir()
const file = join(folder, 'web.yaml')
const HASH = '$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi'
const FILES = 'cert_file: server.pem, key_file: server.key'
const tls = (more = '') => `tls_server_config: { ${FILES}${more} }\n`

const authority = await makeAuthority(folder)
const server = await makeCertificate(folder, 'server', authority)
await makeCertificate(folder, 'other', authority)
await writeFile(join(folder, 'empty.pem'), '')
await writeFile(join(folder, 'half.pem'), server.cert.slice(0, 400))
const locked = ['pkey', '-in', server.keyFile, '-aes256', '-passout', 'pass:secret']
await exec('openssl', [...locked, '-out', join(folder, 'locked.key')])

/** With another text in the file: what it comes to, or all its mistakes. */
async function reading(text: string) {
  await writeFile(file, text)
  return readWebConfig(file)
}

t.test('what a web config says', async (t) => {
  const text = `
tls_server_config:
  cert_file: server.pem
  key_file: ${server.keyFile}
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: authority.pem
  client_allowed_sans: [prometheus.example]
  min_version: TLS12
  max_version: TLS13
  prefer_server_cipher_suites: false
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]
  curve_preferences: [X25519, CurveP256]
http_server_config:
  http2: false
  headers: { Strict-Transport-Security: max-age=31536000, X-Frame-Options: deny }
basic_auth_users:
  alice: ${HASH}
`
  const { config, error, states } = await reading(text)
  t.equal(error, undefined)
  const { source: _, ...rest } = config!
  t.match(rest, {
    tls: {
      cert: server.cert,
      key: server.key,
      clientAuth: 'RequireAndVerifyClientCert',
      clientCa: authority.cert,
      clientAllowedSans: ['prometheus.example'],
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: ['ECDHE-ECDSA-AES128-GCM-SHA256', 'TLS_AES_128_GCM_SHA256'],
      curves: ['X25519', 'P-256'],
      honorCipherOrder: false,
    },
    headers: { 'Strict-Transport-Security': 'max-age=31536000', 'X-Frame-Options': 'deny' },
    users: { alice: HASH },
  })
  const { stdout } = await exec('openssl', ['x509', '-noout', '-enddate', '-in', server.certFile])
  t.equal(rest.tls?.notAfter, Date.parse(stdout.replace('notAfter=', '')) / 1000)
  const paths = [file, server.certFile, server.keyFile, authority.certFile]
  t.strictSame([...states.keys()], paths, 'the files that it was made from')

  await t.test('promtool takes it too', { skip: lacking('promtool') }, async (t) => {
    // Debian's is older than this key.
    await writeFile(file, text.replace(/^ *client_allowed_sans.*\n/m, ''))
    const { stderr } = await exec(findTool('promtool')!, ['check', 'web-config', file])
    t.match(stderr, /SUCCESS/)
  })
})

t.test('what is not said', async (t) => {
  for (const text of ['', '# nothing\n', '{}']) {
    const { config } = await reading(text)
    t.match(config, { headers: {}, users: {}, tls: undefined }, JSON.stringify(text))
  }
  const { config } = await reading(tls())
  t.match(config?.tls, { clientAuth: 'NoClientCert', minVersion: 'TLSv1.2' })
  t.notOk(Object.hasOwn(config!.tls!, 'ciphers'))
  const inside = { tls_server_config: { cert: server.cert, key: server.key } }
  t.match((await reading(JSON.stringify(inside))).config?.tls, inside.tls_server_config)
})

const known = 'known keys are tls_server_config, http_server_config, basic_auth_users'
const BCRYPT = 'expected a bcrypt hash, as `htpasswd -nB USER` prints it, got something else'
const VERIFYING =
  'expected client_auth_type VerifyClientCertIfGiven or RequireAndVerifyClientCert beside it'

const BAD: [mistake: string, text: string, ...messages: string[]][] = [
  [
    'a list',
    '- a\n',
    '1:1: expected a mapping with tls_server_config, http_server_config and basic_auth_users, got a list',
  ],
  [
    'no YAML',
    'a: [\n',
    '2:1: expected YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
  ],
  [
    'an unknown key',
    'basic_auth_user: {}\n',
    `1:1: basic_auth_user: unknown key; ${known}; did you mean basic_auth_users?`,
  ],
  ['a limit of rate', 'rate_limit: { burst: 1 }\n', `1:1: rate_limit: unknown key; ${known}`],
  [
    'a password as it is',
    'basic_auth_users:\n  alice: hunter2\n',
    `2:10: basic_auth_users.alice: ${BCRYPT}`,
  ],
  [
    'a number as password',
    'basic_auth_users: { alice: 1234 }\n',
    `1:28: basic_auth_users.alice: ${BCRYPT}`,
  ],
  ['no password', 'basic_auth_users: { alice: }\n', `1:28: basic_auth_users.alice: ${BCRYPT}`],
  [
    'a hash of another kind',
    `basic_auth_users: { alice: ${HASH.replace('2y', '2x')} }\n`,
    `1:28: basic_auth_users.alice: ${BCRYPT}`,
  ],
  [
    'a hash too short',
    `basic_auth_users: { alice: ${HASH.slice(0, -1)} }\n`,
    `1:28: basic_auth_users.alice: ${BCRYPT}`,
  ],
  [
    'a user with a colon',
    `basic_auth_users: { "a:b": ${HASH} }\n`,
    '1:21: basic_auth_users."a:b": expected a name without a colon, got "a:b"',
  ],
  [
    'HTTP/2',
    'http_server_config: { http2: true }\n',
    '1:30: http_server_config.http2: expected false, since kvmio speaks HTTP/1.1, got true',
  ],
  [
    'another header',
    'http_server_config: { headers: { Server: a } }\n',
    '1:34: http_server_config.headers.Server: unknown key; known keys are Content-Security-Policy, Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, X-XSS-Protection',
  ],
  [
    'a header of two lines',
    'http_server_config: { headers: { X-XSS-Protection: "a\\nb" } }\n',
    '1:52: http_server_config.headers.X-XSS-Protection: expected text of visible characters on one line, got "a\\nb"',
  ],
  [
    'no certificate',
    'tls_server_config: {}\n',
    '1:1: tls_server_config.cert_file: expected a path, got nothing',
    '1:1: tls_server_config.key_file: expected a path, got nothing',
  ],
  [
    'no such file',
    'tls_server_config: { cert_file: a.pem, key_file: b.key }\n',
    `1:33: tls_server_config.cert_file: ${folder}/a.pem: no such file`,
    `1:50: tls_server_config.key_file: ${folder}/b.key: no such file`,
  ],
  [
    'an empty certificate',
    'tls_server_config: { cert_file: empty.pem, key_file: server.key }\n',
    '1:33: tls_server_config.cert_file: expected certificates in PEM, got something else (no start line)',
  ],
  [
    'half a certificate',
    'tls_server_config: { cert_file: half.pem, key_file: server.key }\n',
    '1:33: tls_server_config.cert_file: expected certificates in PEM, got something else (bad end line)',
  ],
  [
    'a certificate as key',
    'tls_server_config: { cert_file: server.pem, key_file: server.pem }\n',
    '1:55: tls_server_config.key_file: expected a private key in PEM, got something else (unsupported)',
  ],
  [
    "another's key",
    'tls_server_config: { cert_file: server.pem, key_file: other.key }\n',
    '1:55: tls_server_config.key_file: expected the key of the certificate, got that of another',
  ],
  [
    'a key with a passphrase',
    'tls_server_config: { cert_file: server.pem, key_file: locked.key }\n',
    '1:55: tls_server_config.key_file: expected a private key without a passphrase, got one with',
  ],
  [
    'a certificate twice',
    tls(', cert: a'),
    '1:67: tls_server_config.cert: expected this or cert_file, got both',
  ],
  [
    'a key that is a number',
    'tls_server_config: { cert_file: server.pem, key: 1234 }\n',
    '1:50: tls_server_config.key: expected text in PEM',
  ],
  [
    'TLS 1.0',
    tls(', min_version: TLS10'),
    '1:80: tls_server_config.min_version: expected TLS12 or TLS13, got "TLS10"; did you mean TLS12?',
  ],
  [
    'versions the wrong way round',
    tls(', min_version: TLS13, max_version: TLS12'),
    '1:100: tls_server_config.max_version: expected TLS13, which is the min_version, got TLS12',
  ],
  [
    'a weak cipher suite',
    tls(', cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]'),
    '1:83: tls_server_config.cipher_suites[0]: expected TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 or TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, got "TLS_RSA_WITH_RC4_128_SHA"',
  ],
  [
    'no cipher suite',
    tls(', cipher_suites: []'),
    '1:82: tls_server_config.cipher_suites: expected a list with at least one name, got an empty list',
  ],
  [
    'an unknown curve',
    tls(', curve_preferences: [secp256k1]'),
    '1:87: tls_server_config.curve_preferences[0]: expected CurveP256, CurveP384, CurveP521 or X25519, got "secp256k1"',
  ],
  [
    'verification by nobody',
    tls(', client_auth_type: RequireAndVerifyClientCert'),
    '1:85: tls_server_config.client_auth_type: expected a client_ca_file for RequireAndVerifyClientCert, got none',
  ],
  [
    'an authority for nothing',
    tls(', client_ca_file: authority.pem'),
    `1:67: tls_server_config.client_ca_file: ${VERIFYING}, got NoClientCert`,
  ],
  [
    'names for nothing',
    tls(', client_auth_type: RequireAnyClientCert, client_allowed_sans: [a]'),
    `1:107: tls_server_config.client_allowed_sans: ${VERIFYING}, got RequireAnyClientCert`,
  ],
]

t.test('each mistake has its place and its sentence', async (t) => {
  for (const [mistake, text, ...messages] of BAD) {
    const { config, error } = await reading(text)
    t.equal(config, undefined, mistake)
    t.strictSame(
      error?.problems,
      messages.map((message) => `${file}:${message}`),
      mistake,
    )
  }
  const nothing = join(folder, 'nothing.yaml')
  t.equal(readWebConfig(nothing).error?.message, `${nothing}: no such file; see --web.config.file`)
})

t.test('what changes is there for the next who asks', async (t) => {
  const folder = t.testdir()
  const file = join(folder, 'web.yaml')
  const [certFile, keyFile] = [join(folder, 'now.pem'), join(folder, 'now.key')]
  await cp(server.certFile, certFile)
  await cp(server.keyFile, keyFile)
  await writeFile(file, 'tls_server_config: { cert_file: now.pem, key_file: now.key }\n')
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  const log = createLog({ level: 'info', format: 'json', destination })
  let time = 5_000
  const holder = new WebConfigHolder(file, { log, now: () => time })
  const first = holder.current()
  t.equal(holder.current(), first, 'the same as long as nothing changes')
  t.match(holder, { lastReloadSuccessful: true, lastReloadTime: 5 })

  time = 6_000
  await cp(join(server.certFile, '../other.pem'), certFile)
  t.equal(holder.current(), first, 'a certificate without its key is not taken')
  t.equal(holder.current(), first)
  t.match(holder, { lastReloadSuccessful: false, lastReloadTime: 5 })
  const said = lines.map((line) => JSON.parse(line))
  t.match(said, [{ msg: 'web config not taken over', file }], 'and told of once')
  t.equal(
    said[0].problems,
    `${file}:1:52: tls_server_config.key_file: expected the key of the certificate, got that of another`,
  )
  await cp(join(server.keyFile, '../other.key'), keyFile)
  const second = holder.current()
  t.equal(second.tls?.cert, await readFile(certFile, 'utf8'))
  t.match(holder, { lastReloadSuccessful: true, lastReloadTime: 6 })

  await t.test('through a link that is turned', async (t) => {
    await symlink(server.certFile, `${certFile}.new`)
    await rename(`${certFile}.new`, certFile)
    await cp(server.keyFile, keyFile)
    t.equal(holder.current().tls?.cert, server.cert)
  })
  await t.test('gone, and there again', async (t) => {
    const before = holder.current()
    await rm(keyFile)
    t.equal(holder.current(), before)
    t.equal(holder.lastReloadSuccessful, false)
    await cp(server.keyFile, keyFile)
    t.equal(holder.current().tls?.key, server.key)
    t.equal(holder.lastReloadSuccessful, true)
  })
  await t.test('files that a new text names', async (t) => {
    const before = holder.current()
    await writeFile(file, 'tls_server_config: { cert_file: then.pem, key_file: now.key }\n')
    t.equal(holder.current(), before)
    t.equal(holder.lastReloadSuccessful, false)
    await cp(server.certFile, join(folder, 'then.pem'))
    t.equal(holder.current().source.tls_server_config?.cert_file, 'then.pem')
    t.equal(holder.lastReloadSuccessful, true)
  })
  await t.test('what a server that listens cannot follow', async (t) => {
    const before = holder.current()
    const again = 'as long as kvmio runs'
    const fixed: [text: string, message: string][] = [
      ['{}', `1:1: tls_server_config: expected one ${again}, got none`],
      [
        'tls_server_config: { cert_file: then.pem, key_file: now.key, client_auth_type: RequestClientCert }',
        `1:80: tls_server_config.client_auth_type: expected NoClientCert ${again}, got RequestClientCert`,
      ],
    ]
    for (const [text, message] of fixed) {
      await writeFile(file, text)
      t.equal(holder.current(), before)
      const { problems } = JSON.parse(lines.at(-1)!)
      t.equal(problems, `${file}:${message}; start it again to change it`)
    }
  })
})

t.test('a start with a mistake', async (t) => {
  await writeFile(file, 'tls: {}\n')
  t.throws(() => new WebConfigHolder(file, { log: silentLog }), {
    name: 'ConfigError',
    message: `${file}:1:1: tls: unknown key; ${known}`,
  })
})
