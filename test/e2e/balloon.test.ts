import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import {
  applianceOrLack,
  guestOn,
  homeFor,
  LOCAL,
  nothingLeft,
  type Page,
  type Serving,
  scrape,
  serve,
  until,
} from './kvmio.ts'

const MIB = 2 ** 20
const vm = 'two-128mib-1'

const CONFIG = {
  tiers: { local: LOCAL },
  guests: { small: guestOn('local', { memory: '192MiB', balloon: { poll: '1s' } }) },
  studies: {
    two: {
      guest: 'small',
      workload: { idle: { time: '30s' } },
      factors: { 'balloon.target': ['128MiB'] },
      schedule: 'continuous',
    },
  },
}

const { lack } = await applianceOrLack()

t.test('a balloon from the config to the page', { skip: lack }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const first = await serve(home)
  const before = await withTarget(first)
  t.equal(before.value('kvmio_vm_memory_bytes', { vm }), 192 * MIB)
  t.equal(before.value('kvmio_vm_balloon_target_bytes', { vm }), 128 * MIB)
  const page = await until('what the guest and the host say of its memory', async () => {
    const page = await scrape(first)
    const has = (name: string) => page.value(name, { vm }) !== undefined
    return has('kvmio_guest_memory_free_bytes') && has('kvmio_vm_process_proportional_memory_bytes')
      ? page
      : undefined
  })
  const total = page.value('kvmio_guest_memory_total_bytes', { vm })!
  t.ok(total > 100 * MIB && total < 192 * MIB, `${total} bytes in all`)
  t.ok(page.value('kvmio_guest_memory_free_bytes', { vm })! < total)
  const taken = page.value('kvmio_vm_process_proportional_memory_bytes', { vm })!
  const resident = page.value('kvmio_vm_process_resident_memory_bytes', { vm })!
  t.ok(taken > 64 * MIB && taken <= resident + 16 * MIB, `${taken} of ${resident} bytes resident`)

  first.kill('SIGKILL')
  await first.end()
  const second = await serve(home)
  const after = await withTarget(second)
  t.equal(after.value('kvmio_vm_balloon_target_bytes', { vm }), 128 * MIB, 'taken over with it')
  second.kill('SIGTERM')
  await second.end()
  const db = new DatabaseSync(join(home.state, 'journal.sqlite'), { readOnly: true })
  const row = db.prepare('SELECT last_sample FROM vms WHERE last_sample IS NOT NULL').get()
  db.close()
  const { memory } = JSON.parse(String(row?.last_sample))
  t.match(memory.balloon, { targetBytes: 128 * MIB, actualBytes: 128 * MIB })
  t.ok(memory.process.totalBytes > 64 * MIB)
  await nothingLeft(t, home)
})

/** A page on which the balloon is where it should be. */
async function withTarget(serving: Serving): Promise<Page> {
  return await until('the balloon to be at its target', async () => {
    const page = await scrape(serving)
    const actual = page.value('kvmio_vm_balloon_actual_bytes', { vm })
    return actual === 128 * MIB ? page : undefined
  })
}
