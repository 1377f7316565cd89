// Runs whose figures cannot be those of their case.
import { execFileSync } from 'node:child_process'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import {
  applianceOrLack,
  guestOn,
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
