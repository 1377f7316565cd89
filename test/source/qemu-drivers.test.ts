import t from 'tap'
import { qemuHasDriver } from '../../src/source/qemu-drivers.ts'
import { missingPrograms } from '../../src/storage/programs.ts'

const skip = (await missingPrograms(['qemu-img'])) ?? false

t.test('what qemu-img was asked for', { skip }, async (t) => {
  t.equal(await qemuHasDriver('nbd'), true, 'built in')
  t.equal(await qemuHasDriver('no-such-driver'), false)
})
