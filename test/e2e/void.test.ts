// Runs whose figures cannot be those of their case.
import { execFileSync } from 'node:child_process'
import { open, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import {
  applianceOrLack,
  guestOn,
  guestSays,
  homeFor,
  journal,
  kvmio,
  LOCAL,
  nothingLeft,
  writes,
} from './kvmio.ts'

const source = execFileSync('df', ['--output=source', tmpdir()], { encoding: 'utf8' })
const skip =
  (await applianceOrLack()).lack ||
  (!source.includes('/dev/') && 'the state directory would be on no block device')

t.test(
  'a run beside which others used the device is void, and is run again',
  { skip },
  async (t) => {
    const home = await homeFor(t, {
      tiers: { local: LOCAL },
      guests: { small: guestOn('local', {}, { throttle: { iops: 40 } }) },
      studies: {
        noisy: {
          guest: 'small',
          blocks: 1,
          pause: '0s',
          workload: writes('1MiB', '4KiB'), // 256 writes at 40/s
          neighbours: '10%',
          tries: 2,
        },
      },
    })
    await using neighbour = await open(join(home.directory, 'neighbour'), 'w')
    const stop = new AbortController()
    const noise = (async () => {
      for (let count = 0; !stop.signal.aborted; count++) {
        await neighbour.write(String(count), 0)
        await neighbour.sync()
        await sleep(20)
      }
    })()
    const { code, stdout, stderr } = await kvmio(home, ['run', 'noisy']).end(120_000)
    stop.abort()
    await noise
    t.equal(code, 1, stderr)
    const found = journal(home)
    t.strictSame(
      found.map(({ outcome, block }) => [outcome, block]),
      [
        ['void', 1],
        ['void', 1],
      ],
    )
    const reason =
      /neighbours: device \S+ did \d+\.\d transactions\/s (before|after) the run, \d+(\.\d)? % of the \d+\.\d\/s in it; at most 10 % may be others'/
    for (const run of found) t.match(run.reason, reason)
    t.match(stdout, /^only +void/m)
    t.match(stderr, 'block 1 of noisy ended\n')
    const rows = await kvmio(home, ['journal', 'export', 'noisy', '--format', 'csv']).end()
    t.match(rows.stdout, /,void,"neighbours: /)
    await nothingLeft(t, home)
  },
)

t.test("a host-cached run in which somebody empties the host's page cache", { skip }, async (t) => {
  const home = await homeFor(t, {
    tiers: { local: LOCAL },
    guests: { small: guestOn('local', {}, { cache: 'writeback', format: 'qcow2', backing: 1 }) },
    studies: {
      cached: { guest: 'small', blocks: 1, tries: 1, workload: { idle: { time: '2s' } } },
    },
  })
  const run = kvmio(home, ['run', 'cached'])
  await guestSays(home, 'cached-only-1', ' phase idle')
  await writeFile('/proc/sys/vm/drop_caches', '1')
  const { code, stderr } = await run.end()
  t.equal(code, 1, stderr)
  const reason = "the host's page cache, from which its vms read, was emptied once while it ran"
  t.match(journal(home), [{ outcome: 'void', reason }])
  await nothingLeft(t, home)
})

// From 0.10 to 0.98 s, by the second in which it begins: guests that begin seconds apart do not take the same time.
const DRIFTING = 'sleep 0.$(( $(date +%s) % 45 * 2 + 10 ))'

t.test(
  'a block whose reference case drifted is run again, and not for ever',
  { skip },
  async (t) => {
    const home = await homeFor(t, {
      tiers: { local: LOCAL },
      guests: { small: guestOn('local') },
      studies: {
        unsteady: {
          guest: 'small',
          blocks: 1,
          pause: '0s',
          measure: 'script',
          reference: { case: 'raw', drift: '0.1%', repeats: 1 },
          workload: { script: { run: DRIFTING } },
          factors: { 'drives.root.format': ['raw', 'qcow2'] },
        },
      },
    })
    const { code, stderr } = await kvmio(home, ['run', 'unsteady']).end(300_000)
    t.equal(code, 1)
    const drifted =
      /the reference case raw drifted: \d+(\.\d+)?, \d+(\.\d+)?, which lie \d+(\.\d)? % apart; at most 0\.1 %/
    for (const block of [1, 2]) {
      t.match(
        stderr,
        new RegExp(`block ${block} of unsteady counts for nothing: ${drifted.source}\n`),
      )
    }
    t.match(
      stderr,
      new RegExp(
        `study unsteady: 2 blocks in a row count for nothing, the last one since ${drifted.source}\n`,
      ),
    )
    t.strictSame(
      journal(home).map(({ block, outcome }) => [block, outcome]),
      [1, 1, 1, 2, 2, 2].map((block) => [block, 'passed']),
      'its runs are kept, and tell of the host',
    )
    const { stdout } = await kvmio(home, ['journal', 'export', '--format', 'csv']).end()
    t.match(stdout, /^unsteady,\w+,2,true,"the reference case raw drifted: /m)
    await nothingLeft(t, home)
  },
)
