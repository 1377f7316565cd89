// Logical volumes, linear and thin: one for each drive, made before its vm starts and gone after its end.
import t from 'tap'
import { run } from '../../src/lib/process.ts'
import { journal, nothingLeft, type Page, says, writes } from '../e2e/kvmio.ts'
import { DISK, labGuest, labHome, pageWhere, startSaying, startStudy } from './inside.ts'

const MIB = 2 ** 20
const WRITTEN = 4 * MIB
// lvs takes 0.3 s and more here, and a reading may take 0.3 % of the time: the second look at a thin volume, the first one
// after the write, comes after minutes.
const SETTLE: Record<string, string> = { linear: '30s', thin: '5m' }

await run('vgcreate', ['-q', 'lab', DISK.path])
t.teardown(() => run('vgremove', ['-q', '-f', 'lab']))
await run('lvcreate', ['-q', '-Zn', '--type', 'thin-pool', '-L', '512M', '-n', 'pool', 'lab'])

const CONFIG = {
  tiers: {
    linear: { volumeGroup: { name: 'lab' } },
    thin: { volumeGroup: { name: 'lab', thinPool: 'pool' } },
  },
  guests: { linear: labGuest('linear'), thin: labGuest('thin') },
  studies: Object.fromEntries(
    ['linear', 'thin'].map((kind) => [
      kind,
      { guest: kind, pause: '0s', workload: writes('4MiB', '64KiB', SETTLE[kind]) },
    ]),
  ),
}

const volumes = async (field: string) => {
  const report = await run('lvs', ['--noheadings', '-o', `lv_name,${field}`, 'lab'])
  const rows = report.split('\n').map((line) => line.trim().split(/\s+/))
  return new Map(rows.flatMap(([name, value]) => (name ? [[name, value ?? '']] : [])))
}

for (const kind of ['linear', 'thin']) {
  t.test(kind, async (t) => {
    const home = await labHome(t, CONFIG)
    const started = await startStudy(home, kind)
    const vm = `${kind}-only-1`
    await says(started, `${vm}: settle at`)
    const volume = `kvmio-${vm}.root`
    t.equal((await volumes('segtype')).get(volume), kind, `${volume} is there`)
    if (kind === 'thin') {
      const percent = Number((await volumes('data_percent')).get('pool')) // to two digits
      const written = Math.ceil((percent + 0.005) * 0.01 * 512 * MIB)
      t.ok(written >= WRITTEN && written < 2 * WRITTEN, `the pool gave it ${written} bytes`)
    }
    const labels = { vm, device: DISK.name }
    const bytesOn = (page: Page) => page.value('kvmio_vm_device_written_bytes_total', labels) ?? 0
    const image = (page: Page, what: string) =>
      page.value(`kvmio_drive_image_${what}_bytes`, { vm }) ?? 0
    const isThere = (page: Page) => bytesOn(page) >= WRITTEN && image(page, 'allocated') > 0
    const page = await pageWhere(started, kind, isThere)
    t.ok(bytesOn(page) < 2 * WRITTEN, `${bytesOn(page)} bytes reached the disk under it`)
    const taken = image(page, 'allocated') / image(page, 'virtual')
    t.ok(kind === 'linear' ? taken === 1 : taken > 0 && taken < 1, `takes ${taken} of its size`)
    const tier = page.all('kvmio_tier_info').find(({ labels }) => labels.tier === kind)
    t.match(tier, { labels: { kind: 'volumeGroup' } })
    const { code, stderr } = await started.end()
    t.equal(code, 0, stderr)
    t.match(journal(home)[0], { outcome: 'passed' })
    t.strictSame([...(await volumes('segtype')).keys()], ['pool'], 'the volume is gone')
    await nothingLeft(t, home)
  })
}

t.test('a calibration has a volume of its own, and gives it back', async (t) => {
  const home = await labHome(t, CONFIG)
  for (const tier of ['linear', 'thin']) {
    const words = ['calibrate', tier, '--quick', '--class', 'random-write']
    const started = await startSaying(home, words, 'random-write depth 1')
    const volume = 'kvmio-calibration.fio'
    t.equal((await volumes('segtype')).get(volume), tier, `${volume} is there`)
    const { code, stdout, stderr } = await started.end(300_000)
    t.equal(code, 0, stderr)
    t.match(stdout, /^random-write +\d/m)
    t.strictSame([...(await volumes('segtype')).keys()], ['pool'], 'the volume is gone')
  }
  await nothingLeft(t, home)
})
