import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../../src/lib/process.ts'
import { readDiskstats } from '../../src/source/diskstats.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { homeFor, LOCAL, scrape, serve } from './kvmio.ts'

// The first is one that this host has. They are more than the threads that Node reads files with by itself.
const [counted] = (await readDiskstats('/proc')).filter(({ device }) => !/\d$/.test(device))
const DEAD = [counted?.device ?? 'dead', ...[1, 2, 3, 4, 5].map((number) => `dead${number}`)]

t.test(
  'files of sysfs that block cost their own devices, and kvmio ends despite them',
  { skip: (await missingPrograms(['qemu-system-x86_64', 'mkfifo'])) ?? false },
  async (t) => {
    const home = await homeFor(t, { tiers: { local: LOCAL } })
    const sys = join(home.directory, 'sys')
    for (const name of [...DEAD, 'good0']) {
      await mkdir(join(sys, 'block', name), { recursive: true })
      const dev = join(sys, 'block', name, 'dev')
      await (name === 'good0' ? writeFile(dev, '8:0\n') : run('mkfifo', [dev]))
    }
    const serving = await serve(home, '--path.sysfs', sys, '--no-collector.iostat')
    for (const time of ['the first scrape', 'the next one, that does not wait again']) {
      const page = await scrape(serving)
      t.strictSame(
        page.all('kvmio_device_info').map(({ labels }) => labels.device),
        ['good0'],
        time,
      )
      t.ok(page.value('kvmio_tier_space_available_bytes', { tier: 'local' }), 'files are read')
      const counts = page.all('kvmio_device_reads_completed_total')
      t.strictSame(
        counts.map(({ labels }) => labels.device),
        counted ? [counted.device] : [],
        'what is not on the disk itself is there',
      )
      const failed = page.all('kvmio_scrape_collector_success').filter(({ value }) => value !== 1)
      t.strictSame(failed, [], 'no collector is late')
      const errors = page.value('kvmio_scrape_errors_total', { collector: 'diskstats' })
      t.equal(errors, DEAD.length, 'each is told once for each reading')
    }
    serving.kill('SIGTERM')
    const { signal, stderr } = await serving.end()
    t.equal(signal, 'SIGKILL')
    t.match(stderr, /^ending without a file that does not answer$/m)
  },
)
