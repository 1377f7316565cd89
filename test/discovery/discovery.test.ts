import { chmod, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Tier } from '../../src/attribution/records.ts'
import { Discovery, type DiscoveryConfig } from '../../src/discovery/discovery.ts'
import { createLog } from '../../src/lib/log.ts'

const MOUNTS = '20 1 254:0 / / rw - ext4 /dev/vda rw\n21 20 254:16 / /srv rw - ext4 /dev/vdb rw\n'
const INFO = 'flags:\t0140002\nmnt_id:\t21\nlock:\t1: OFDLCK ADVISORY READ -1 fe:10:9 100 101\n'

/** A /proc whose processes come and go, and the discovery that reads it. */
async function fakeHost(t: Test) {
  const root = t.testdir({
    self: { mountinfo: MOUNTS },
    diskstats: `254 0 vda ${'0 '.repeat(17)}\n254 16 vdb ${'0 '.repeat(17)}\n`,
  })
  const lines: string[] = []
  const state = {
    config: { qemu: true } as DiscoveryConfig,
    tiers: [] as Tier[],
    ownNames: new Set<string>(),
    found: [] as string[],
  }
  const destination = { write: (line: string) => void lines.push(JSON.parse(line).msg) }
  const discovery = new Discovery({
    ...{ procRoot: root, sysRoot: '/none', hierarchy: undefined },
    log: createLog({ level: 'info', format: 'json', destination: destination as never }),
    now: () => 0,
    config: () => state.config,
    tiers: () => state.tiers,
    isOwn: (argv) => argv.includes('own'),
    ownNames: () => state.ownNames,
    onTier: ({ name }) => state.found.push(name),
  })
  const start = async (pid: number, argv: readonly string[], startTicks = pid) => {
    const folder = join(root, String(pid))
    await mkdir(join(folder, 'fd'), { recursive: true })
    await mkdir(join(folder, 'fdinfo'))
    await writeFile(join(folder, 'stat'), `${pid} (x) S 1 ${'0 '.repeat(17)}${startTicks} 0\n`)
    await writeFile(join(folder, 'status'), 'Name: x\nUid: 0 0 0 0\nGid: 0 0 0 0\n')
    await writeFile(join(folder, 'cmdline'), argv.map((word) => `${word}\0`).join(''))
    await writeFile(join(folder, 'mountinfo'), MOUNTS)
    await symlink('/', join(folder, 'cwd'))
  }
  const openFile = async (pid: number, fd: number, path: string) => {
    await symlink(path, join(root, `${pid}/fd/${fd}`))
    await writeFile(join(root, `${pid}/fdinfo/${fd}`), INFO)
  }
  const end = (pid: number) => rm(join(root, String(pid)), { recursive: true })
  const names = () => discovery.vms().map(({ name }) => name)
  return { root, discovery, state, lines, start, openFile, end, names }
}

const QEMU = 'qemu-system-x86_64'
const WEB = [QEMU, '-name', 'web', '-m', '64', '-hda', '/srv/web.img']

t.test('vms come and go', async (t) => {
  const { discovery, state, lines, start, openFile, end } = await fakeHost(t)
  await start(100, WEB)
  await openFile(100, 9, '/srv/web.img')
  await start(200, [QEMU, '-name', 'mine', 'own'])
  await start(300, [QEMU, '-device', 'help'])
  await discovery.scan()
  t.match(discovery.vms(), [
    {
      ...{ name: 'web', manager: 'other', accelerator: 'tcg', pid: 100, adopted: true },
      ...{ unasked: true, memoryBytes: 64 * 2 ** 20 },
      drives: [
        {
          ...{ name: 'ide0-hd0', tier: '/srv', direct: true },
          backend: { kind: 'file', path: '/srv/web.img' },
        },
      ],
    },
  ])
  const tier = { name: '/srv', kind: 'directory', found: true, device: 'vdb', filesystem: 'ext4' }
  t.match(discovery.tiers(), [tier])
  t.strictSame(state.found, ['/srv'])
  await discovery.scan()
  t.strictSame(state.found, ['/srv'], 'told once')

  state.tiers = [{ name: 'fast', kind: 'directory', directory: '/srv/kvmio', device: 'vdb' }]
  await discovery.scan()
  t.equal(discovery.vms()[0]?.drives[0]?.tier, 'fast', 'a tier that a reloaded config has')
  t.strictSame(discovery.tiers(), [])

  await end(100)
  await discovery.scan()
  t.strictSame(discovery.vms(), [])
  t.strictSame(lines, ['found vm web of other: pid 100'])
})

t.test('another process under the same pid is another vm', async (t) => {
  const { discovery, start, end, names } = await fakeHost(t)
  await start(100, WEB)
  await discovery.scan()
  await end(100)
  await start(100, [QEMU, '-name', 'db'], 900)
  await discovery.scan()
  t.strictSame(names(), [], 'the one that was there has gone')
  await discovery.scan()
  t.strictSame(names(), ['db'])
})

t.test('a process becomes a qemu by exec', async (t) => {
  const { root, discovery, start, names } = await fakeHost(t)
  const become = (pid: number) =>
    writeFile(join(root, `${pid}/cmdline`), WEB.map((word) => `${word}\0`).join(''))
  await start(100, ['/usr/sbin/libvirtd'])
  await start(200, ['sh', '-c', 'sleep 600; exec qemu'])
  await discovery.scan()
  await become(100)
  await discovery.scan()
  t.strictSame(names(), ['web'], 'at once, when it had just been forked')
  await become(200)
  await discovery.scan()
  t.strictSame(names(), ['web'], 'one that has been something else for long is not looked at')
  for (let scans = 0; scans < 6; scans++) await discovery.scan()
  t.strictSame(names(), ['web', 'web-200'], 'but each half minute')
})

t.test('names that this kvmio has itself', async (t) => {
  const { discovery, state, start, names } = await fakeHost(t)
  await start(100, WEB)
  await discovery.scan()
  state.ownNames.add('web')
  t.strictSame(names(), ['web-100'], 'at once, for no page has a series twice')
})

t.test('switched off and on by a reload', async (t) => {
  const { discovery, state, start, names } = await fakeHost(t)
  await start(100, WEB)
  state.config = { qemu: false }
  await discovery.scan()
  t.strictSame(names(), [])
  state.config = { qemu: true }
  await discovery.scan()
  t.strictSame(names(), ['web'])
  state.config = { qemu: false }
  await discovery.scan()
  t.strictSame([names(), discovery.tiers()], [[], []])
})

t.test('what cannot be read is absent, and told once', async (t) => {
  const { root, discovery, lines, start, openFile } = await fakeHost(t)
  await start(100, WEB)
  await openFile(100, 9, '/srv/web.img')
  // As of another user's process; root may read all, so for it the folder is no folder.
  if (process.getuid?.() === 0) {
    await rename(join(root, '100/fd'), join(root, 'fd'))
    await writeFile(join(root, '100/fd'), '')
  } else await chmod(join(root, '100/fd'), 0o000)
  for (let scans = 0; scans < 3; scans++) await discovery.scan()
  t.match(discovery.vms(), [{ name: 'web', drives: [] }])
  const [found, why, ...more] = lines
  t.equal(found, 'found vm web of other: pid 100')
  t.match(why, /^vm web: its open files, so its drives cannot be read: (EACCES|ENOTDIR): /)
  t.strictSame(more, [])
})

t.test('hundreds of vms come and go, and leave nothing', async (t) => {
  const { discovery, start, end } = await fakeHost(t)
  for (let round = 0; round < 3; round++) {
    const pids = Array.from({ length: 100 }, (_, index) => 1000 + round * 100 + index)
    for (const pid of pids) await start(pid, [QEMU, '-name', `vm-${pid}`])
    await discovery.scan()
    t.equal(discovery.vms().length, 100)
    for (const pid of pids) await end(pid)
  }
  await discovery.scan()
  t.strictSame(discovery.vms(), [])
})
