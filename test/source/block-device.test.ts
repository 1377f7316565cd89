import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import {
  mountPointsOf,
  readDeviceFamily,
  readSwaps,
  type SysDevice,
} from '../../src/source/block-device.ts'
import { parseMounts } from '../../src/source/mounts.ts'

t.test('a disk, its partitions and who stands on them', async (t) => {
  const part = (dev: string, more = {}) => ({
    dev,
    size: '2048\n',
    ro: '0\n',
    partition: '1\n',
    ...more,
  })
  const sysRoot = t.testdir({
    devices: {
      sda: {
        ...{ dev: '8:0\n', size: '1048576\n', ro: '0\n', holders: {}, queue: { rotational: '1' } },
        sda1: part('8:1\n', { holders: { 'dm-1': '', 'dm-0': '' } }),
        sda2: part('8:2\n', { ro: '1\n' }),
      },
      'cciss!c0d0': { dev: '104:0\n', size: '8\n', ro: '0\n' },
    },
    dev: { block: {} },
  })
  const links = { '8:0': 'sda', '8:1': 'sda/sda1', '104:0': 'cciss!c0d0' }
  for (const [number, path] of Object.entries(links))
    await symlink(join(sysRoot, 'devices', path), join(sysRoot, 'dev/block', number))

  const device = (name: string, number: string, sizeBytes: number, more = {}): SysDevice => ({
    ...{ name, number, sizeBytes, readOnly: false, holders: [], ...more },
  })
  const sda = device('sda', '8:0', 2 ** 29)
  const sda1 = device('sda1', '8:1', 2 ** 20, { holders: ['dm-0', 'dm-1'] })
  const sda2 = device('sda2', '8:2', 2 ** 20, { readOnly: true })
  t.strictSame(await readDeviceFamily(sysRoot, '8:0'), { device: sda, partitions: [sda1, sda2] })
  t.strictSame(await readDeviceFamily(sysRoot, '8:1'), { device: sda1, disk: sda, partitions: [] })
  t.equal((await readDeviceFamily(sysRoot, '104:0')).device.name, 'cciss/c0d0')
  await t.rejects(readDeviceFamily(sysRoot, '8:9'), { code: 'ENOENT' })
})

t.test('where a device is mounted, by its number or as a source without one', async (t) => {
  const mounts = parseMounts(
    [
      '1 0 8:1 / /a rw - ext4 /dev/sda1 rw',
      '2 0 0:40 / /b rw - btrfs /dev/sda2 rw',
      '3 0 0:41 / /c rw - tmpfs sda2 rw',
      '4 0 8:1 /x /d\\040e rw - ext4 /dev/root rw',
    ].join('\n'),
  )
  const device = (name: string, number: string) => ({
    ...{ name, number, sizeBytes: 0, readOnly: false, holders: [] },
  })
  t.strictSame(await mountPointsOf(device('sda1', '8:1'), mounts), ['/a', '/d e'])
  t.strictSame(await mountPointsOf(device('sda2', '8:2'), mounts), ['/b'])
  t.strictSame(await mountPointsOf(device('sda', '8:0'), mounts), [])
})

t.test('what the kernel swaps to', async (t) => {
  const columns = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n'
  const rows = '/dev/sda3      partition\t9\t\t0\t\t-2\n/swap\\040file   file\t\t9\t\t0\t\t-3\n'
  t.strictSame(await readSwaps(t.testdir({ swaps: columns + rows })), [
    '/dev/sda3',
    '/swap\\040file',
  ])
  t.strictSame(await readSwaps(t.testdir({ swaps: columns })), [])
})
