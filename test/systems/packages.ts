import t from 'tap'
import { run } from '../../src/lib/process.ts'
import {
  applianceOrLack,
  guestOn,
  homeFor,
  journal,
  kvmio,
  LOCAL,
  nothingLeft,
  packageDriveLack,
  takeKept,
} from '../e2e/kvmio.ts'

const { lack } = await applianceOrLack()
const skip = lack || (await packageDriveLack('minimal'))

const PARTITION = 2 ** 20

t.test('dpkg installs onto an empty drive, in a guest', { skip }, async (t) => {
  const home = await homeFor(t, {
    tiers: { local: LOCAL },
    guests: { empty: guestOn('local', { memory: '128MiB' }, { bus: 'sata', cache: 'unsafe' }) },
    studies: {
      tiny: {
        guest: 'empty',
        workload: { install: { packages: 'minimal', keep: 'test-tiny' } },
      },
    },
  })
  const { code, stdout, stderr } = await kvmio(home, ['run', 'tiny', '--once']).end(200_000)
  t.equal(code, 0, stderr)
  t.match(stdout, /^only +passed( +\d+\.\d){6} /m)
  t.strictSame(journal(home)[0]?.vms[0]?.phases, [
    'boot',
    'partition',
    'mkfs',
    'unpack',
    'configure',
    'shutdown',
    'off',
  ])

  const disk = await takeKept(home, 'test-tiny')
  t.match(await run('sfdisk', ['--dump', disk]), /start= +2048, .*type=83, bootable$/m)
  const debug = (command: string) =>
    run('debugfs', ['-R', command, `${disk}?offset=${PARTITION}`], { name: 'debugfs' })
  t.match(await debug('show_super_stats -h'), /Filesystem volume name: +kvmio-root\n/)
  t.match(await debug('show_super_stats -h'), /Filesystem state: +clean\n/)
  const status = await debug('cat /var/lib/dpkg/status')
  t.match(status, /^Package: libc6\nStatus: install ok installed$/m)
  t.match(status, /^Package: dash\n(.+\n)*?Status: install ok installed$/m)
  t.notMatch(status, /^Status: (?!install ok installed)/m)
  t.match(await debug('stat /bin/dash'), /Type: regular/)
  t.match(await debug('cat /etc/fstab'), 'LABEL=kvmio-root / ext4')
  await nothingLeft(t, home)
})
