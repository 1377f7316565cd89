import { mkdir, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createDiskstatsCollector } from '../../src/collector/diskstats.ts'
import * as m from '../../src/metrics/catalog.ts'
import { deviceNumber } from '../../src/source/mounts.ts'
import { drive, folder, hostWith, scrapeOf, valuesOf, vm } from './host.ts'

t.test('an image behind a symbolic link, a base image, a URL, one that has gone', async (t) => {
  const directory = await folder(t)
  await mkdir(join(directory, 'there'))
  await writeFile(join(directory, 'there/root.qcow2'), '')
  await symlink('there', join(directory, 'link'))
  const { dev } = await stat(directory, { bigint: true })
  // This machine's own filesystem stands for that of sdx, which is mounted elsewhere.
  const root = await hostWith(t, {
    'proc/self/mountinfo': `20 1 8:240 / / rw - ext4 /dev/sdp rw\n21 20 ${deviceNumber(dev)} / /elsewhere rw - xfs /dev/sdx rw\n`,
    'sys/block/sdp/dev': '8:240\n',
    'sys/block/sdx/dev': `${deviceNumber(dev)}\n`,
  })
  const backingImages = [
    { format: 'raw', backend: { kind: 'file', path: '/gone/base.raw' } },
  ] as const
  const url = 'nbd://me:secret@127.0.0.1:10809/disk'
  const drives = [
    drive('root', {
      backend: { kind: 'file', path: join(directory, 'link/root.qcow2') },
      backingImages,
    }),
    drive('net', { format: 'raw', backend: { kind: 'url', url } }),
  ]
  const scrape = await scrapeOf(t, { root, vms: [vm('a', { drives })], showsDevice: () => false })
  const samples = await createDiskstatsCollector().collect(scrape)
  const images = Object.keys(valuesOf(samples, m.driveImageInfo))
  t.strictSame(
    images.map((labels) => labels.replace(directory, 'DIR')),
    [
      'a root 0 DIR/link/root.qcow2 qcow2 xfs /elsewhere sdx',
      'a root 1 /gone/base.raw raw ext4 / sdp',
      'a net 0 nbd://127.0.0.1:10809/disk raw   ',
    ],
  )
  t.strictSame(
    Object.keys(valuesOf(samples, m.deviceInfo))
      .map((labels) => labels.split(' ')[0])
      .sort(),
    ['sdp', 'sdx'],
    'and their devices are shown, whatever the filter says',
  )
})
