import { access, mkdir, readdir, readFile, statfs, writeFile } from 'node:fs/promises'
import t from 'tap'
import type { TierConfig } from '../../src/config/schema.ts'
import { tierRoom } from '../../src/storage/tier-room.ts'

const GIB = 2 ** 30

t.test('what tiers that are not open can take', async (t) => {
  const folder = t.testdir()
  const stateDir = `${folder}/state`
  const roots = { procRoot: '/proc', sysRoot: '/sys' }
  const room = (config: Partial<TierConfig>) =>
    tierRoom('disk', config as TierConfig, { stateDir, ...roots })
  const { bavail, bsize } = await statfs(folder)
  const free = bavail * bsize
  /** Others write on the same disk meanwhile. */
  const isAbout = (bytes: number | undefined, expected: number) =>
    bytes !== undefined && Math.abs(bytes - expected) < Math.max(2 * GIB, expected / 10)

  t.ok(isAbout(await room({ directory: folder }), free), 'a directory: the free space of its disk')
  t.ok(isAbout(await room({ directory: `${folder}/a/b` }), free), 'one that is to be made')
  const filesystem = (size: number) => ({ filesystem: { type: 'ext4' as const, size } })
  t.equal(await room(filesystem(GIB)), GIB, 'a loop file: its size')
  t.ok(isAbout(await room(filesystem(free * 8)), free), 'and no more than there is for it')

  await mkdir(`${stateDir}/tiers/disk`, { recursive: true })
  await writeFile(`${stateDir}/tiers/disk/disk.img`, Buffer.alloc(2 ** 20, 1))
  const beside = await room(filesystem(free * 8))
  t.ok(isAbout(beside, free), 'what it has already counts as well')
  t.equal(await room({ url: 'nbd://host/x' }), undefined, 'nobody knows')
  t.equal(await room({ device: `${folder}/no` }), undefined)
  t.equal(await room({ device: folder }), undefined, 'no device')
})

const disk = (await disks()).find(({ path, bytes }) => bytes > 0 && /\/(vd|sd|nvme)/.test(path))

t.test('the size of a device', { skip: disk ? false : 'this host has no disk' }, async (t) => {
  const context = { stateDir: '/nowhere', procRoot: '/proc', sysRoot: '/sys' }
  const config = { device: disk!.path } as TierConfig
  t.equal(await tierRoom('disk', config, context), disk!.bytes)
})

/** Those of this host whose node is there too. */
async function disks() {
  const names = await readdir('/sys/block').catch((): string[] => [])
  const found = names.map(async (name) => {
    const path = `/dev/${name}`
    const isThere = await access(path).then(
      () => true,
      () => false,
    )
    const sectors = await readFile(`/sys/block/${name}/size`, 'utf8')
    return { path, bytes: isThere ? Number(sectors) * 512 : 0 }
  })
  return await Promise.all(found)
}
