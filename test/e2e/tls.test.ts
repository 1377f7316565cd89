import { execFile } from 'node:child_process'
import { cp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hash } from 'bcryptjs'
import t, { type Test } from 'tap'
import { missingPrograms } from '../../src/storage/programs.ts'
import { makeAuthority, makeCertificate } from '../certificates.ts'
import { servePrometheus } from '../prometheus/servers.ts'
import { lacking } from '../tools.ts'
import { homeFor, kvmio, nothingLeft, repository, says, serve, until } from './kvmio.ts'

const PASSWORD = 'a password: with ünicode'
const skip = (await missingPrograms(['qemu-system-x86_64', 'openssl', 'curl'])) ?? false

t.test('serve over TLS with a password', { skip }, async (t) => {
  const home = await homeFor(t, { tiers: {}, guests: {}, studies: {} })
  const { directory } = home
  const authority = await makeAuthority(directory)
  await makeCertificate(directory, 'server', authority)
  const webFile = join(directory, 'web.yaml')
  const users = { basic_auth_users: { prometheus: await hash(PASSWORD, 10) } }
  const tls_server_config = { cert_file: 'server.pem', key_file: 'server.key' }
  await writeFile(webFile, JSON.stringify({ tls_server_config, ...users }))
  const flag = ['--web.config.file', webFile]

  await t.test('check says what is in it', async (t) => {
    const { code, stdout } = await kvmio(home, ['check', ...flag]).end()
    t.equal(code, 0)
    t.match(stdout, /web\.yaml: good: TLS with a certificate until \d{4}-\d\d-\d\d, 1 user\n$/)
  })

  const serving = await serve(home, ...flag)
  const { url } = serving
  t.match(url, /^https:\/\/127\.0\.0\.1:\d+$/)
  const curl = (path: string, ...args: string[]) =>
    new Promise<string>((resolve) => {
      const all = ['-sS', '-w', '%{http_code}', '--cacert', authority.certFile, ...args, url + path]
      execFile('curl', all, (_error, stdout, stderr) => resolve(stdout + stderr))
    })
  const known = ['-u', `prometheus:${PASSWORD}`]
  const value = async (name: string) => {
    const page = await curl('/metrics', ...known)
    return Number(new RegExp(`^${name} (.*)$`, 'm').exec(page)?.[1])
  }

  await t.test('curl', async (t) => {
    t.equal(await curl('/metrics'), 'A user and a password are needed.\n401')
    t.equal(
      await curl('/metrics', '-u', 'prometheus:guess'),
      'A user and a password are needed.\n401',
    )
    t.match(await curl('/metrics', ...known), /^kvmio_build_info\{.*200$/ms)
    t.equal(await curl('/-/healthy'), 'kvmio is healthy.\n200')
    t.equal(await curl('/-/ready'), 'kvmio is ready.\n200')
    t.equal(await curl('/-/reload', '-X', 'POST'), 'A user and a password are needed.\n401')
    t.equal(await curl('/-/reload', '-X', 'POST', ...known), 'The config was reloaded.\n200')
    const abroad = ['-X', 'POST', '-H', 'Origin: https://evil.example', ...known]
    t.match(
      await curl('/-/reload', ...abroad),
      /^The request comes from a page of another site.*\n403$/,
    )
  })

  await t.test('a real Prometheus', { skip: lacking('prometheus') }, async (t) => {
    const targets = await startPrometheus(t, directory, new URL(url).host, authority.certFile)
    const found = await until('Prometheus to have scraped all', async () => {
      const active = await targets()
      return active.length === 3 && active.every(({ health }) => health !== 'unknown') && active
    })
    const outcome = (job: string) => {
      const { health, lastError } = found.find(({ labels }) => labels.job === job)!
      return `${health} ${lastError}`.trim()
    }
    t.equal(outcome('kvmio'), 'up')
    t.equal(outcome('without-password'), 'down server returned HTTP status 401 Unauthorized')
    t.match(outcome('without-authority'), /^down .*x509: certificate signed by unknown authority/)
  })

  await t.test('a certificate that is renewed, and one that is broken', async (t) => {
    const shown = async () => {
      const said = await curl('/-/healthy', '-v')
      return /subject: CN=(\w+)/.exec(said)?.[1]
    }
    t.equal(await shown(), 'server')
    t.equal(await value('kvmio_web_config_last_reload_successful'), 1)
    const expiry = await value('kvmio_web_certificate_expiry_timestamp_seconds')
    t.ok(expiry > Date.now() / 1000 + 29 * 86_400, 'in a month')

    const { certFile, keyFile } = await makeCertificate(directory, 'renewed', authority)
    await rename(certFile, join(directory, 'server.pem'))
    t.equal(await shown(), 'server', 'not without its key')
    t.equal(await value('kvmio_web_config_last_reload_successful'), 0)
    await says(serving, /web config not taken over.*expected the key of the certificate/)
    await rename(keyFile, join(directory, 'server.key'))
    t.equal(await shown(), 'renewed')
    t.equal(await value('kvmio_web_config_last_reload_successful'), 1)
    await says(serving, 'web config taken over')

    await writeFile(webFile, JSON.stringify({ tls_server_config, basic_auth_users: {} }))
    t.match(await curl('/metrics'), /200$/, 'also without users')
    await rm(webFile)
    t.match(await curl('/metrics'), /^kvmio_web_config_last_reload_successful 0$/m)
  })

  serving.kill('SIGTERM')
  t.equal((await serving.end()).code, 0)
  await nothingLeft(t, home)
})

t.test('a web config with mistakes', { skip }, async (t) => {
  const home = await homeFor(t, { tiers: {}, guests: {}, studies: {} })
  const webFile = join(home.directory, 'web.yaml')
  await writeFile(webFile, 'basic_auth_users: { a: secret }\n')
  for (const command of [['serve'], ['check']]) {
    const { code, stderr } = await kvmio(home, [...command, '--web.config.file', webFile]).end()
    t.equal(code, 2)
    t.equal(
      stderr,
      `${webFile}:1:24: basic_auth_users.a: expected a bcrypt hash, as \`htpasswd -nB USER\` prints it, got something else\n`,
    )
  }
})

interface Target {
  labels: Record<string, string>
  health: 'up' | 'down' | 'unknown'
  lastError: string
}

/** With the shipped configuration and what docs/service.md adds to it; beside it two jobs that lack one thing each. */
async function startPrometheus(t: Test, directory: string, target: string, authority: string) {
  const own = join(directory, 'prometheus')
  await cp(join(repository, 'prometheus'), own, { recursive: true })
  await writeFile(join(own, 'password'), PASSWORD)
  const file = join(own, 'prometheus.yml')
  const shipped = await readFile(file, 'utf8')
  const job = (name: string, ...parts: string[]) =>
    [`  - job_name: ${name}`, '    scheme: https', ...parts, `${SD}\n`].join('\n')
  const SD = '    file_sd_configs:\n      - files: [targets/*.yml]'
  const tls = `    tls_config: { ca_file: ${authority} }`
  const auth = '    basic_auth: { username: prometheus, password_file: password }'
  const extra = [job('without-password', tls), job('without-authority', auth)].join('')
  const text = shipped
    .replaceAll(/(_interval): 10s/g, '$1: 1s')
    .replace('  - job_name: kvmio\n', `  - job_name: kvmio\n    scheme: https\n${tls}\n${auth}\n`)
    .replace(/^scrape_configs:\n/m, `scrape_configs:\n${extra}`)
  await writeFile(file, text)
  await writeFile(join(own, 'targets/local.yml'), `- targets: ['${target}']\n`)
  const address = await servePrometheus(t, file)
  return async (): Promise<Target[]> => {
    const answer = await fetch(`http://${address}/api/v1/targets`)
    const { data } = (await answer.json()) as { data: { activeTargets: Target[] } }
    return data.activeTargets
  }
}
