import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readDiskstats } from '../../src/source/diskstats.ts'
import {
  filesystemOf,
  type Mount,
  parseMounts,
  readMounts,
  readSpace,
} from '../../src/source/mounts.ts'
import { fixture } from './fixtures.ts'

t.test('reads a recorded host', async (t) => {
  const mounts = await readMounts(fixture('pvm-debian12/proc'))
  t.strictSame(
    mounts.find(({ mountPoint }) => mountPoint === '/'),
    {
      mountPoint: '/',
      filesystem: 'ext4',
      source: '/dev/vda',
      device: '254:0',
      options: ['rw', 'relatime', 'discard', 'resv_strict', 'resuid=65534', 'resgid=65534'],
    },
  )
  t.match(
    mounts.find(({ options }) => options.includes('blkio')),
    { mountPoint: '/sys/fs/cgroup/blkio', filesystem: 'cgroup' },
  )
})

t.test('tags are passed over, escapes are decoded, options come once', async (t) => {
  const text =
    '36 35 98:0 /mnt1 /mnt\\040with\\011all\\134of\\012it ro,noatime master:1 shared:7 - ext3 /dev/a\\040b rw,noatime,errors=continue\n' +
    '37 35 0:31 / /plain rw - fuse.sshfs host:/a-b rw\n'
  t.strictSame(parseMounts(text), [
    {
      mountPoint: '/mnt with\tall\\of\nit',
      filesystem: 'ext3',
      source: '/dev/a b',
      device: '98:0',
      options: ['ro', 'noatime', 'rw', 'errors=continue'],
    },
    {
      mountPoint: '/plain',
      filesystem: 'fuse.sshfs',
      source: 'host:/a-b',
      device: '0:31',
      options: ['rw'],
    },
  ] satisfies Mount[])
})

t.test('bad lines', async (t) => {
  const bad: [mistake: string, text: string, message: string][] = [
    [
      'no dash',
      '36 35 98:0 / / rw master:1 ext3 /dev/sda rw',
      '/proc/self/mountinfo:1: expected 6 or more fields, "-" and 3 fields, got "36 35 98:0 / / rw master:1 ext3 /dev/sda rw"',
    ],
    [
      'cut short',
      '36 35 98:0 / / rw - ext3 /dev/sda',
      '/proc/self/mountinfo:1: expected 6 or more fields, "-" and 3 fields, got "36 35 98:0 / / rw - ext3 /dev/sda"',
    ],
    [
      'no device number',
      '\n36 35 sda / / rw - ext3 /dev/sda rw',
      '/proc/self/mountinfo:2: field 3 (device): expected MAJ:MIN, got "sda"',
    ],
  ]
  for (const [mistake, text, message] of bad) {
    t.throws(() => parseMounts(text), { name: 'ParseError', message }, mistake)
  }
})

t.test(
  'a file on this host has a mount, and where it has a device, diskstats knows it',
  async (t) => {
    const directory = t.testdir({ a: 'x' })
    const { mount, device } = await filesystemOf(join(directory, 'a'), await readMounts('/proc'))
    t.ok(directory.startsWith(mount.mountPoint))
    const devices = (await readDiskstats('/proc')).map(({ major, minor }) => `${major}:${minor}`)
    if (device !== undefined) t.ok(devices.includes(device), device)
  },
)

t.test('proc has no device', async (t) => {
  const { mount, device } = await filesystemOf('/proc/self/stat', await readMounts('/proc'))
  t.match(mount, { filesystem: 'proc', mountPoint: '/proc' })
  t.equal(device, undefined)
})

t.test('with device numbers of its own, the longest mount point above it is taken', async (t) => {
  const directory = t.testdir({ 'tier-1': { image: '' } })
  const base = { filesystem: 'btrfs', device: '0:999', options: ['rw'] }
  const mounts: Mount[] = [
    { ...base, mountPoint: '/', source: 'none' },
    { ...base, mountPoint: directory, source: 'hidden by the next' },
    { ...base, mountPoint: directory, source: 'subvolume' },
    { ...base, mountPoint: join(directory, 'tier'), source: 'only a prefix of the name' },
  ]
  const path = join(directory, 'tier-1/image')
  t.equal((await filesystemOf(path, mounts)).mount.source, 'subvolume')
  await t.rejects(filesystemOf(path, []), {
    message: `no mount in /proc/self/mountinfo holds ${path}`,
  })
  await t.rejects(filesystemOf(join(directory, 'gone'), mounts), { code: 'ENOENT' })
})

t.test('a filesystem on a loop device', async (t) => {
  if (process.getuid?.() !== 0) return t.plan(0, 'mounting needs root')
  const directory = t.testdir({ 'a mount': {} })
  const image = join(directory, 'disk.img')
  const mountPoint = join(directory, 'a mount')
  execFileSync('truncate', ['-s', '8M', image])
  execFileSync('mkfs.ext4', ['-q', '-F', image])
  const loop = attach(image)
  if (!loop) return t.plan(0, 'losetup gives no loop device here')
  try {
    execFileSync('mount', [loop, mountPoint])
    await checkLoop(t, loop, mountPoint)
  } finally {
    spawnSync('umount', [mountPoint])
    execFileSync('losetup', ['-d', loop])
  }
})

async function checkLoop(t: Test, loop: string, mountPoint: string): Promise<void> {
  mkdirSync(join(mountPoint, 'below'))
  writeFileSync(join(mountPoint, 'below/image'), 'x')
  const found = await filesystemOf(join(mountPoint, 'below/image'), await readMounts('/proc'))
  t.match(found.mount, { mountPoint, filesystem: 'ext4', source: loop })
  t.equal(found.device, `7:${loop.replace('/dev/loop', '')}`)
  // What btrfs gives: no number of a device, but a source that is one.
  const anonymous = { ...found.mount, device: '0:999' }
  t.equal((await filesystemOf(mountPoint, [anonymous])).device, found.device)
  const space = await readSpace(mountPoint)
  t.ok(space.sizeBytes > 4 * 2 ** 20 && space.sizeBytes < 8 * 2 ** 20)
  t.ok(space.freeBytes < space.sizeBytes && space.availableBytes <= space.freeBytes)
}

function attach(image: string): string | undefined {
  const { status, stdout } = spawnSync('losetup', ['--find', '--show', image], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}
