// The real program, a real guest, and SIGKILL.
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
  says,
} from './kvmio.ts'

const skip = (await applianceOrLack()).lack
const idle = { guest: 'small', pause: '0s', workload: { idle: { time: '1s' } } }

t.test(
  'killed again and again, it loses no run that has ended and counts none twice',
  { skip },
  async (t) => {
    const home = await homeFor(t, {
      tiers: { local: LOCAL },
      guests: { small: guestOn('local') },
      studies: { two: { ...idle, blocks: 3, factors: { 'drives.root.format': ['raw', 'qcow2'] } } },
    })
    let ended: unknown[] = []
    const kept = () => journal(home).filter(({ outcome }) => outcome === 'passed')
    for (let kill = 1; kill <= 4; kill++) {
      const run = kvmio(home, ['run', 'two'])
      await says(run, 'study two: 2 cases')
      await sleep(Math.random() * 9_000)
      run.kill('SIGKILL')
      await run.end()
      const now = kept()
      t.strictSame(now.slice(0, ended.length), ended, `kill ${kill}, after ${now.length} runs`)
      ended = now
    }
    const { code, stderr } = await kvmio(home, ['run', 'two']).end(120_000)
    // A run whose guest was gone when kvmio came back is abandoned, which the exit code tells.
    t.ok(code === 0 || stderr.includes('was gone when kvmio came back'), stderr)
    const all = kept().map(({ block, case: name }) => `${block} ${name}`)
    const blocks = [1, 2, 3].flatMap((block) => [`${block} qcow2`, `${block} raw`])
    t.strictSame(all.toSorted(), blocks, 'each case of each block has passed once')
    const others = journal(home).filter(({ outcome }) => outcome !== 'passed')
    t.strictSame(
      others.filter(({ outcome }) => outcome !== 'abandoned'),
      [],
      'the others were abandoned',
    )
    const more = await kvmio(home, ['run', 'two']).end()
    t.equal(more.stdout, 'study two has the 3 blocks that it asks for; --once runs one more\n')
    t.equal(more.code, 0)
    await nothingLeft(t, home)
  },
)
