import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { collectAll } from '../../src/collector/collector.ts'
import { iostat } from '../../src/collector/iostat.ts'
import * as m from '../../src/metrics/catalog.ts'
import { IostatReader } from '../../src/source/iostat.ts'
import { scrapeOf, valuesOf } from './host.ts'

const skip = isInstalled() ? false : 'iostat is not installed (Debian package sysstat)'

t.test(
  'an iostat that was killed: the scrape says so, until it has come back',
  { skip },
  async (t) => {
    let ahead = 0
    const errors: string[] = []
    const reader = new IostatReader({
      intervalSeconds: 1,
      onError: (error) => errors.push(error.message),
      now: () => performance.now() + ahead,
    })
    t.teardown(() => reader.stop())
    const scrape = await scrapeOf(t, { iostat: reader })
    const collect = async () => {
      const samples = await collectAll([iostat], scrape)
      const success = valuesOf(samples, m.collectorSuccess).iostat
      return { success, devices: Object.keys(valuesOf(samples, m.iostat.writes)) }
    }
    t.strictSame(await collect(), { success: 0, devices: [] }, 'before it has said anything')
    reader.start()
    const first = await until(async () => {
      const page = await collect()
      return page.success === 1 ? page : undefined
    })
    t.ok(first.devices.length > 0)
    const { pid } = reader
    process.kill(pid!, 'SIGKILL')
    t.match(await collect(), { success: 1 }, 'its last second is still shown')
    ahead = 3_001 // as if three intervals had gone by
    t.strictSame(await collect(), { success: 0, devices: [] })
    const [collector, said] = scrape.errors.at(-1)!
    t.equal(`${collector}: ${said}`, 'iostat: iostat has said nothing in its last three intervals')
    const again = await until(async () => {
      const page = await collect()
      return page.success === 1 ? page : undefined
    })
    t.strictSame(again.devices, first.devices)
    t.not(reader.pid, pid)
    t.strictSame(errors, ['iostat is started again in 1 s: iostat was killed by SIGKILL'])
  },
)

async function until<T>(probe: () => Promise<T | undefined>): Promise<T> {
  for (let left = 300; left > 0; left--) {
    const value = await probe()
    if (value !== undefined) return value
    await sleep(50)
  }
  throw new Error('it did not come in 15 s')
}

function isInstalled(): boolean {
  try {
    execFileSync('iostat', ['-V'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
