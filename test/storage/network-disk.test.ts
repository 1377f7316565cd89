import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startProcess } from '../../src/lib/process.ts'
import { qemuHasDriver } from '../../src/source/qemu-drivers.ts'
import { createImage } from '../../src/storage/image.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { availableBytes } from '../../src/storage/space.ts'
import { checkTier, openTier } from '../../src/storage/tiers.ts'
import { imageOn } from './image-options.ts'
import { stateFor } from './state.ts'

const MIB = 2 ** 20
const skip = (await missingPrograms(['qemu-img', 'nbdkit'])) ?? false

/** A server of a disk in memory, on a socket that is gone when the test has ended. */
async function server(t: Test, size: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kvmio-nbd-'))
  const socket = join(folder, 'nbd.sock')
  const args = ['--foreground', '--unix', socket, 'memory', size]
  const nbdkit = startProcess({ file: 'nbdkit', args })
  t.teardown(async () => {
    await nbdkit.stop()
    await rm(folder, { recursive: true, force: true })
  })
  for (
    let left = 100;
    left > 0 &&
    !(await access(socket).then(
      () => true,
      () => false,
    ));
    left--
  )
    await sleep(50)
  return socket
}

t.test('a served disk that is large enough', { skip }, async (t) => {
  const context = await stateFor(t)
  const url = `nbd+unix:///?socket=${await server(t, '64M')}`
  const open = await openTier('net', { url }, context)
  t.strictSame(open.tier, { name: 'net', kind: 'url', target: url, sizeBytes: 64 * MIB })
  t.equal(await checkTier(open), undefined)
  t.equal(await availableBytes(open), 64 * MIB)
  const backend = open.locate('demo-1', 'root', 'raw')
  t.strictSame(backend, { kind: 'url', url })
  await createImage(open, imageOn(backend, { sizeBytes: 64 * MIB }))
  await open.release(backend)
  await t.rejects(createImage(open, imageOn(backend, { sizeBytes: 65 * MIB })), {
    message: `${url} has 64 MiB, and a drive of 65 MiB is asked for`,
  })
  await open.close()
})

t.test('a URL for each drive is asked when there is one', { skip }, async (t) => {
  const context = await stateFor(t)
  const socket = await server(t, '8M')
  const url = `nbd+unix:///{vm}/{drive}?socket=${socket}`
  const open = await openTier('net', { url }, context)
  t.strictSame(open.tier, { name: 'net', kind: 'url', target: url })
  t.equal(await availableBytes(open), undefined)
  const backend = open.locate('demo-1', 'root', 'raw')
  t.strictSame(backend, { kind: 'url', url: `nbd+unix:///demo-1/root?socket=${socket}` })
  await createImage(open, imageOn(backend, { sizeBytes: 8 * MIB }))
})

// Each is refused by its server, or by the lack of one: a wrong option would have been refused before.
const nobody: [url: string, driver: string, reason: RegExp][] = [
  ['nbd://127.0.0.1:1/x', 'nbd', /Failed to connect to '127.0.0.1:1': Connection refused$/],
  ['nbd+unix:///x?socket=/nowhere', 'nbd', /Failed to connect to '\/nowhere': No such file/],
  ['nfs://127.0.0.1/a/b?uid=3&gid=4', 'nfs', /Failed to mount nfs share/],
  ['iscsi://me@127.0.0.1:1/iqn.2001-04.com.example:d/0', 'iscsi', /Failed to connect to LUN/],
  ['rbd://admin@pool/ns/image?conf=/nowhere', 'rbd', /error reading conf file \/nowhere/],
  ['gluster://127.0.0.1:1/vol/a/b.img', 'gluster', /failed on host 127.0.0.1 and port 1/],
  ['gluster+unix:///vol/a?socket=/nowhere', 'gluster', /failed on socket \/nowhere/],
]
for (const [url, driver, reason] of nobody) {
  t.test(`${driver} without a server: ${url}`, { skip }, async (t) => {
    const context = await stateFor(t)
    const passwordFile = join(context.stateDir, 'password')
    await writeFile(passwordFile, 'c2VjcmV0', { mode: 0o600 })
    const password = url.includes('@') ? { passwordFile } : {}
    const { tier } = await openTier('net', { url, ...password }, context)
    if (await qemuHasDriver(driver)) {
      t.ok(tier.unavailable?.startsWith(`${url} cannot be opened: `))
      t.match(tier.unavailable, reason)
      t.notMatch(tier.unavailable, /\n|c2VjcmV0|json:/)
    } else {
      t.equal(tier.unavailable, `this qemu has no driver ${driver}: apt install qemu-block-extra`)
    }
  })
}

const noIscsi = skip || (!(await qemuHasDriver('iscsi')) && 'this qemu has no driver iscsi')
t.test('a password file that is not there', { skip: noIscsi }, async (t) => {
  const url = 'iscsi://me@127.0.0.1:1/target/0'
  const { tier } = await openTier('net', { url, passwordFile: '/nowhere' }, await stateFor(t))
  t.match(tier.unavailable, /\/nowhere.*No such file or directory$/)
})
