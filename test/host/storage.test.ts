import t from 'tap'
import { examineDevices, examineUrls, examineVolumes } from '../../src/host/storage.ts'
import { hasDeviceMapper } from '../../src/source/lvm.ts'
import { readQemuDrivers } from '../../src/source/qemu-drivers.ts'
import { missingPrograms } from '../../src/storage/programs.ts'

t.test('volume groups, where there are a device mapper and lvm', async (t) => {
  const noLvm = await missingPrograms(['lvcreate'])
  const [lvm, groups] = await examineVolumes('/proc')
  t.match(lvm, { subject: 'lvm', can: noLvm === undefined })
  t.match(lvm?.detail, noLvm ? 'did not start: lvcreate is not installed' : /^\d+\.\d+/)
  if (noLvm || !(await hasDeviceMapper('/proc'))) t.equal(groups, undefined)
  else t.match(groups, { subject: 'volume groups' })
})

t.test('a host with a device mapper and no group', async (t) => {
  if (await missingPrograms(['lvcreate', 'vgs']))
    return t.pass('', { skip: 'lvm2 is not installed' })
  const findings = await examineVolumes(t.testdir({ misc: '236 device-mapper\n' }))
  t.strictSame(
    findings.map(({ subject }) => subject),
    ['lvm', 'volume groups'],
  )
})

t.test('the drivers of URLs', async (t) => {
  const noQemu = await missingPrograms(['qemu-img'])
  if (noQemu) return t.pass('', { skip: noQemu })
  const known = await readQemuDrivers()
  const [nbd, nfs, none] = await examineUrls(['nbd', 'nfs', 'carrier-pigeon'])
  t.strictSame(nbd, { subject: 'url nbd', can: true, detail: 'qemu has the driver' })
  t.match(nfs, { subject: 'url nfs', can: known.includes('nfs') })
  t.strictSame(none, {
    subject: 'url carrier-pigeon',
    can: false,
    detail: 'this qemu has no driver carrier-pigeon',
    remedy: 'apt install qemu-block-extra',
  })
})

t.test('what looks at devices', async (t) => {
  t.match(await examineDevices(), {
    subject: 'wipefs',
    can: true,
    detail: /^wipefs from util-linux/,
  })
})
