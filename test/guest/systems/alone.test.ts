import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { scriptFile } from '../../../src/guest/systems/scripts.ts'
import { attachLoop, backingFiles } from '../../../src/storage/loop.ts'

const skip = process.getuid?.() === 0 ? false : 'mounts take root'

test('a build has none of the mounts of tiers, and holds no loop device', { skip }, async (t) => {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'kvmio-alone-')))
  t.teardown(() => rm(directory, { recursive: true }))
  const mountPoint = join(directory, 'a state/tiers/50% full/mnt')
  await mkdir(mountPoint, { recursive: true })
  const image = join(directory, 'disk.img')
  execFileSync('truncate', ['--size', '8M', image])
  execFileSync('mkfs.ext4', ['-q', image])
  const device = await attachLoop(image, { sysRoot: '/sys' })
  execFileSync('mount', [`/dev/${device}`, mountPoint])
  t.teardown(() => spawnSync('umount', [mountPoint]))
  // The mount namespace is private, as where the host's root mount is.
  const unshare = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child']
  const waiting = ['sh', '-c', 'cat /proc/self/mountinfo; echo end; exec sleep 60']
  const build = spawn('unshare', [
    ...unshare,
    '--mount-proc',
    'sh',
    scriptFile('alone'),
    ...waiting,
  ])
  t.teardown(() => build.kill('SIGKILL'))
  let text = ''
  for await (const chunk of build.stdout.setEncoding('utf8')) {
    text += chunk
    if (text.endsWith('end\n')) break
  }
  t.notMatch(text, directory, 'the mount is gone in there')
  t.match(text, / \/ .* - /, 'and the root is not')
  execFileSync('losetup', ['--detach', `/dev/${device}`]) // once nothing has it mounted
  execFileSync('umount', [mountPoint])
  t.notOk([...(await backingFiles('/sys')).values()].includes(image), 'the device is free')
  t.equal(build.exitCode, null, 'while the build goes on')
  build.kill('SIGKILL')
  await once(build, 'exit')
})
