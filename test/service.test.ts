import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { missingPrograms } from '../src/storage/programs.ts'

const exec = promisify(execFile)
const root = join(import.meta.dirname, '..')
const unit = await readFile(join(root, 'packaging/kvmio.service'), 'utf8')
const skip = (await missingPrograms(['systemd-analyze'])) ?? false

/** All values of a setting, in their order. */
const values = (name: string) =>
  [...unit.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value]) => value)

t.test('the published package has the unit', async (t) => {
  const { files } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  t.ok(files.includes('packaging'))
})

t.test('a restart leaves the vms, a stop ends them', async (t) => {
  t.strictSame(values('KillMode'), ['process'])
  t.strictSame(values('Delegate'), ['yes'])
  t.strictSame(values('KillSignal'), [], 'SIGTERM, by default')
  const [leaving] = values('RestartKillSignal')
  t.match(await readFile(join(root, 'src/main.ts'), 'utf8'), `process.on('${leaving}', `)
})

t.test('nothing gives kvmio a mount namespace of its own', async (t) => {
  // systemd.exec(5): these set one up, and the next kvmio would not see the filesystems of the tiers.
  const namespaces =
    /^(Private(Tmp|Devices|Mounts|Users)|Protect(System|Home|KernelTunables|KernelModules|KernelLogs|ControlGroups|Proc)|ProcSubset|ReadOnlyPaths|ReadWritePaths|InaccessiblePaths|BindPaths|TemporaryFileSystem|RootDirectory|DynamicUser|MountFlags)=/m
  t.notMatch(unit, namespaces)
})

t.test('systemd takes it as it stands', { skip }, async (t) => {
  const file = join(t.testdir(), 'kvmio.service')
  const verify = () =>
    exec('systemd-analyze', ['verify', file]).then(
      ({ stderr }) => stderr,
      ({ stderr }) => stderr,
    )
  // This host has no kvmio at /usr/local/bin, and verify looks for it.
  const here = unit.replace('/usr/local/bin/kvmio ', `${join(root, 'bin/kvmio.mjs')} `)
  await writeFile(file, here)
  t.equal(await verify(), '')
  await writeFile(file, here.replace('KillMode=process', 'KillMode=proces'))
  t.match(await verify(), 'Failed to parse kill mode specification', 'it would say so')
})

t.test('what it leaves open is known', { skip }, async (t) => {
  const args = ['security', '--offline=true', '--no-pager', join(root, 'packaging/kvmio.service')]
  const { stdout } = await exec('systemd-analyze', args)
  const [, exposure] = /Overall exposure level for kvmio.service: ([\d.]+) /.exec(stdout) ?? []
  // 9.6 is a unit without any hardening; systemd 252 gives 6.2 here.
  t.ok(Number(exposure) < 7, `systemd-analyze security gives ${exposure}`)
})
