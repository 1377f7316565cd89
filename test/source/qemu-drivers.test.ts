import t from 'tap'
import { parseQemuDrivers } from '../../src/source/qemu-drivers.ts'

t.test('what qemu-img knows', async (t) => {
  t.strictSame(parseQemuDrivers('Usage\n\nSupported formats: blkdebug nbd raw\n\nmore\n'), [
    'blkdebug',
    'nbd',
    'raw',
  ])
  const message = 'qemu-img --help: expected its supported formats'
  t.throws(() => parseQemuDrivers('none'), { message })
})
