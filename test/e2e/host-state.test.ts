import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { coldProblem } from '../../src/storage/host-cache.ts'
import {
  applianceOrLack,
  guestOn,
  type Home,
  homeFor,
  journal,
  kvmio,
  LOCAL,
  nothingLeft,
  writes,
} from './kvmio.ts'

const { lack } = await applianceOrLack()
const cold = await coldProblem('/proc')

const CONFIG = {
  tiers: { local: LOCAL },
  guests: { small: guestOn('local', {}, { cache: 'writeback' }) },
  studies: {
    starts: {
      guest: 'small',
      stagger: '6s',
      pause: '0s',
      workload: writes('1MiB'),
      factors: { hostCache: ['cold', 'warm'], vms: [1, 2] },
    },
  },
}

t.test('staggered starts, cold and warm', { skip: lack || (cold ?? false) }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const { code, stderr } = await kvmio(home, ['run', 'starts', '--once']).end(200_000)
  t.equal(code, 0, stderr)
  t.match(stderr, 'study starts: 4 cases, 2 vms at once')
  const runs = journal(home).map((run) => [run.case, run.outcome, run.vms.length])
  t.strictSame(runs.sort(), [
    ['cold-1', 'passed', 1],
    ['cold-2', 'passed', 2],
    ['warm-1', 'passed', 1],
    ['warm-2', 'passed', 2],
  ])
  for (const [first, second] of startTicks(home)) {
    // In hundredths of a second; the sleep begins when the first vm is launched, and a busy host only adds to it.
    t.ok(second! - first! >= 550, `the second vm started ${(second! - first!) / 100} s later`)
  }
  await nothingLeft(t, home)
})

t.test('a vm that fails while others still wait for their start', { skip: lack }, async (t) => {
  const failing = guestOn('local', { deadlines: { boot: '1s' } })
  const home = await homeFor(t, {
    ...CONFIG,
    guests: { small: failing },
    studies: { starts: { ...CONFIG.studies.starts, vms: 3, stagger: '10m', factors: {} } },
  })
  const { code, stderr } = await kvmio(home, ['run', 'starts', '--once']).end(60_000)
  t.equal(code, 1, stderr)
  const [run] = journal(home)
  t.match(run, { outcome: 'failed', reason: /^vm starts-only-1 did not reach phase "boot" in 1 s/ })
  t.strictSame(
    run?.vms.map(({ outcome, pid }) => [outcome, pid === null]),
    [
      ['failed', false],
      ['abandoned', true],
      ['abandoned', true],
    ],
  )
  await nothingLeft(t, home)
})

/** When each vm's qemu was started, of the runs that have two. */
function startTicks({ state }: Home): number[][] {
  const db = new DatabaseSync(join(state, 'journal.sqlite'), { readOnly: true })
  try {
    const rows = db.prepare('SELECT run_id, start_ticks FROM vms ORDER BY id').all() as unknown as {
      run_id: number
      start_ticks: number
    }[]
    const byRun = Map.groupBy(rows, ({ run_id }) => run_id)
    return [...byRun.values()]
      .filter(({ length }) => length > 1)
      .map((vms) => vms.map(({ start_ticks }) => start_ticks))
  } finally {
    db.close()
  }
}
