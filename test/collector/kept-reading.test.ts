import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { KeptReading } from '../../src/collector/kept-reading.ts'

/** A thing that changes as the test says, and how often it was read. */
function reading() {
  const clock = { now: 0 }
  const thing = { value: 'loop0 on sda', reads: 0, fails: false }
  const errors: unknown[] = []
  const kept = new KeptReading<string>(() => clock.now)
  const get = (key = 'sda') =>
    kept.get(
      key,
      async () => {
        thing.reads++
        if (thing.fails) throw new Error('no answer')
        return thing.value
      },
      (error) => errors.push((error as Error).message),
    )
  return { clock, thing, errors, get }
}

t.test('a change that shows in the key is seen at once', async (t) => {
  const { thing, get } = reading()
  t.equal(await get('sda'), 'loop0 on sda')
  thing.value = 'loop0 on sdb'
  t.equal(await get('sda'), 'loop0 on sda')
  t.equal(thing.reads, 1)
  t.equal(await get('sda sdb'), 'loop0 on sdb')
  t.equal(thing.reads, 2)
})

t.test('one that does not: read after five seconds, seen by the next scrape', async (t) => {
  const { clock, thing, get } = reading()
  await get()
  thing.value = 'loop0 on sdb'
  clock.now = 4_999
  t.equal(await get(), 'loop0 on sda')
  t.equal(thing.reads, 1)
  clock.now = 15_000
  t.equal(await get(), 'loop0 on sda', 'this scrape does not wait for it')
  await sleep(0)
  t.equal(await get(), 'loop0 on sdb')
  t.equal(thing.reads, 2)
})

t.test('whoever scrapes once in a while gets what is true then', async (t) => {
  const { clock, thing, get } = reading()
  await get()
  thing.value = 'loop0 on sdb'
  clock.now = 60_000
  t.equal(await get(), 'loop0 on sdb')
})

t.test('a reading that fails leaves the last one in force, and is told', async (t) => {
  const { clock, thing, errors, get } = reading()
  thing.fails = true
  await t.rejects(get(), { message: 'no answer' }, 'without any there is nothing to go on with')
  thing.fails = false
  await get()
  thing.fails = true
  t.equal(await get('sda sdb'), 'loop0 on sda')
  clock.now = 10_000
  t.equal(await get('sda'), 'loop0 on sda')
  await sleep(0)
  t.strictSame(errors, ['no answer', 'no answer'])
  thing.fails = false
  t.equal(await get('sda sdb'), 'loop0 on sda')
})

t.test('two scrapes at once read once', async (t) => {
  const { thing, get } = reading()
  t.strictSame(await Promise.all([get(), get()]), ['loop0 on sda', 'loop0 on sda'])
  t.equal(thing.reads, 1)
})
