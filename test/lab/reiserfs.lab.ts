// A filesystem of the paper's that Linux 6.13 dropped, made by kvmio on a loop file.
import t from 'tap'
import { readMounts } from '../../src/source/mounts.ts'
import { journal, nothingLeft, type Page, says, writes } from '../e2e/kvmio.ts'
import { labGuest, labHome, pageWhere, startStudy } from './inside.ts'

const WRITTEN = 4 * 2 ** 20

const CONFIG = {
  // Not on the second disk: a mount reads the 8192 blocks of the journal one by one.
  tiers: { old: { filesystem: { type: 'reiserfs', size: '128MiB' } } },
  guests: { small: labGuest('old', { format: 'qcow2' }) },
  studies: {
    old: { guest: 'small', pause: '0s', workload: writes('4MiB', '64KiB', '30s') },
  },
}

t.test('a tier on reiserfs', async (t) => {
  const home = await labHome(t, CONFIG)
  const started = await startStudy(home, 'old')
  const vm = 'old-only-1'
  await says(started, `${vm}: settle at`)
  const mounts = (await readMounts('/proc')).filter(({ filesystem }) => filesystem === 'reiserfs')
  t.equal(mounts.length, 1, 'it is mounted')
  const device = mounts[0]?.source.replace('/dev/', '') ?? ''
  t.match(device, /^loop\d+$/)
  const bytesOn = (page: Page) =>
    page.value('kvmio_vm_device_written_bytes_total', { vm, device }) ?? 0
  const page = await pageWhere(started, 'reiserfs', (page) => bytesOn(page) >= WRITTEN)
  const tier = page.all('kvmio_tier_info').find(({ labels }) => labels.tier === 'old')
  t.match(tier, { labels: { kind: 'filesystem', filesystem: 'reiserfs' } })
  const { code, stderr } = await started.end()
  t.equal(code, 0, stderr)
  t.match(journal(home)[0], { outcome: 'passed' })
  await nothingLeft(t, home)
})
