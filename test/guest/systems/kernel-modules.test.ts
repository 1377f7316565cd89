import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { zstdCompressSync } from 'node:zlib'
import t from 'tap'
import {
  copyModules,
  DRIVERS,
  parseDependencies,
} from '../../../src/guest/systems/kernel-modules.ts'
import { silentLog } from '../../../src/lib/log.ts'

const module = (depends: string) =>
  Buffer.from(`\x7fELF\0\xff\0license=GPL\0depends=${depends}\0retpoline=Y\0name=x\0`, 'latin1')

t.test("a module's dependencies", async (t) => {
  t.strictSame(parseDependencies(module('scsi_mod,t10-pi')), ['scsi_mod', 't10_pi'])
  t.strictSame(parseDependencies(module('')), [])
  t.strictSame(parseDependencies(Buffer.from('\x7fELF')), [])
})

t.test('modules are copied unpacked, each before those that need it', async (t) => {
  const tree: Record<string, Buffer> = {
    'kernel/drivers/virtio/virtio.ko': module(''),
    'kernel/drivers/virtio/virtio-ring.ko.zst': zstdCompressSync(module('virtio')),
    'kernel/drivers/block/virtio_blk.ko': module('virtio_ring,virtio'),
    'modules.builtin': Buffer.from('kernel/drivers/virtio/virtio_pci.ko\n'),
  }
  const modules = t.testdir({ into: {} })
  for (const [path, content] of Object.entries(tree)) {
    await mkdir(dirname(join(modules, path)), { recursive: true })
    await writeFile(join(modules, path), content)
  }
  const system = { release: '6.8.0-1-generic', kernel: '', busybox: '', modules }
  const order = await copyModules({ system, into: join(modules, 'into'), log: silentLog })
  t.match(order, 'virtio_pci\nvirtio_blk virtio.ko virtio_ring.ko virtio_blk.ko\nvirtio_scsi\n')
  t.equal(order.split('\n').length, Object.keys(DRIVERS).length + 1)
  t.strictSame(await readFile(join(modules, 'into/virtio_ring.ko')), module('virtio'))
})
