import { execFile } from 'node:child_process'
import { chmod, chown, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { loadConfig, parseConfig } from '../../src/config/load.ts'

const main = new URL('../../src/main.ts', import.meta.url).pathname
const NOBODY = 65534

async function folderOf(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kvmio-init-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** What a command ended with, in that folder, perhaps as another user. */
async function kvmio(cwd: string, args: readonly string[], uid?: number) {
  // tap hooks into each child, and its files are not for another user; env(1) takes the hook out.
  const argv = ['-u', 'NODE_OPTIONS', process.execPath, main, ...args]
  const ids = uid === undefined ? {} : { uid, gid: uid }
  return await promisify(execFile)('env', argv, { cwd, ...ids }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }) => ({ code: code as number, stdout: stdout as string, stderr }),
  )
}

t.test('a config for this host, which check and plan accept', async (t) => {
  const folder = await folderOf(t)
  const written = await kvmio(folder, ['init'])
  t.equal(written.code, 0, written.stderr)
  t.match(written.stdout, /^wrote kvmio.yaml; next:\n( {2}mkdir .*\n)* {2}kvmio doctor +what this/)
  t.match(written.stdout, /\n {2}kvmio run first --once +each of them once\n$/)
  t.strictSame(await readdir(folder), ['kvmio.yaml'], 'and nothing else is made')
  const config = await loadConfig(join(folder, 'kvmio.yaml'))
  t.ok(Object.keys(config.tiers).length > 0)
  t.match(config.tiers[Object.keys(config.tiers)[0]!]?.directory, `${folder}/.kvmio/`)
  t.strictSame(
    Object.values(config.tiers).filter((tier) => tier.directory && tier.capacity),
    [],
    'what a disk can do is left for calibration',
  )
  const checked = await kvmio(folder, ['check'])
  t.match(checked.stdout, /^kvmio.yaml: good: .* 1 guest, 1 study with \d+ cases\n$/)
  const planned = await kvmio(folder, ['plan'])
  t.match(
    planned.stdout,
    'study first: 8 cases of guest small, 1 vm at once, boot-write-shutdown\n',
  )
  t.notMatch(planned.stdout, 'skipped', 'and this host can have each case')
})

t.test('a file that is there stays', async (t) => {
  const folder = await folderOf(t)
  await kvmio(folder, ['init', 'lab.yaml'])
  const file = join(folder, 'lab.yaml')
  const first = await readFile(file, 'utf8')
  const again = await kvmio(folder, ['init', 'lab.yaml'])
  t.strictSame(again, {
    code: 2,
    stdout: '',
    stderr:
      'lab.yaml is there already; --force overwrites it, kvmio init - prints to standard output\n',
  })
  const forced = await kvmio(folder, ['init', '--force', 'lab.yaml'])
  t.match(forced, { code: 0, stdout: /kvmio plan --config.file lab.yaml/ })
  const printed = await kvmio(folder, ['init', '-', '--config.file', 'lab.yaml'])
  t.equal(printed.code, 0)
  t.equal(withoutChange(printed.stdout), withoutChange(first))
  t.equal(withoutChange(await readFile(file, 'utf8')), withoutChange(first))
})

t.test('that of a service has its state where services have it', async (t) => {
  const folder = await folderOf(t)
  const file = '/etc/kvmio/kvmio.yaml'
  const { code, stdout } = await kvmio(folder, ['init', '-', '--config.file', file])
  t.equal(code, 0)
  const { state, tiers } = parseConfig(stdout, file)
  t.equal(state, '/var/lib/kvmio')
  const [first] = Object.values(tiers)
  t.match(first?.directory, /^\/var\/lib\/kvmio\/[a-z-]+$/)
})

const notRoot =
  process.getuid?.() === 0 ? false : 'this test becomes another user, which takes root'

t.test('who is not root has directories alone', { skip: notRoot }, async (t) => {
  const folder = await folderOf(t)
  await chown(folder, NOBODY, NOBODY)
  await chmod(folder, 0o700)
  const { code, stdout, stderr } = await kvmio(folder, ['init', '-'], NOBODY)
  t.equal(code, 0, stderr)
  const { tiers } = parseConfig(stdout, join(folder, 'kvmio.yaml'))
  t.ok(Object.keys(tiers).length > 0)
  for (const [name, tier] of Object.entries(tiers)) {
    t.ok(tier.directory, `${name} is a directory`)
    t.notOk(tier.filesystem ?? tier.emulate)
  }
  t.notMatch(stdout, /^\s*volumeGroup/m)
})

/** From one moment to the next free space changes, and vms come and go. */
function withoutChange(text: string): string {
  return text.replaceAll(/[\d.]+ [GT]iB free/g, 'free').replace(/^# discovery:/m, 'discovery:')
}
