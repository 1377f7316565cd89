import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import {
  applianceOrLack,
  cannotEmulate,
  guestOn,
  guestSays,
  type Home,
  homeFor,
  journal,
  kvmio,
  nothingLeft,
  type Page,
  qemuOf,
  type Serving,
  SLOW,
  says,
  scrape,
  serve,
  until,
  writes,
} from './kvmio.ts'

// A guest that is known by its run's id: the order of cases is random.
const PHASES = ['boot', 'prepare', 'write', 'settle', 'shutdown', 'off']

const CONFIG = {
  tiers: { slow: SLOW },
  guests: { small: guestOn('slow') },
  studies: {
    two: {
      guest: 'small',
      pause: '0s',
      workload: writes('4MiB', '4KiB', '1s'), // 1024 requests of 5 ms
      factors: { 'drives.root.format': ['raw', 'qcow2'] },
      schedule: 'continuous',
    },
  },
}

const skip = (await applianceOrLack()).lack || (await cannotEmulate())

t.test('a kvmio that is killed', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)

  await t.test('in the middle of a write is followed by one that goes on', async (t) => {
    const vm = await writingVm(home, await serve(home), 1)
    const [before, qemu] = [await scrapeLast(home), await qemuOf(home, vm)]
    await kill(home)
    await sleep(3_000)
    t.equal(await qemuOf(home, vm), qemu, 'the vm goes on meanwhile')

    const again = await serve(home)
    const after = await scrapeWith(again, vm)
    t.equal(await qemuOf(home, vm), qemu, 'the same qemu')
    t.equal(journal(home)[0]?.vms[0]?.pid, qemu)
    t.strictSame(deviceOf(after), deviceOf(before), 'the same loop device')
    const written = [before, after].map((page) => writesOf(page, vm))
    t.ok(written[0]! > 0, `${written[0]} writes before`)
    t.ok(written[1]! > written[0]!, `${written[1]} writes after`)
    t.equal(after.value('kvmio_vm_up', { vm }), 1)

    const [first] = await ended(home, 1)
    t.match(first, { id: 1, outcome: 'passed', reason: null })
    t.strictSame(first?.vms[0]?.phases, PHASES)
  })

  await t.test('is followed by one that finds the run ended', async (t) => {
    const running = home.children.at(-1) as Serving
    const vm = await writingVm(home, running, 2)
    await kill(home)
    await guestSays(home, vm, ' end passed')
    await sleep(500) // it powers off

    await serve(home)
    const runs = await ended(home, 2)
    t.match(runs[1], { id: 2, block: 1, outcome: 'passed', reason: null })
    t.strictSame(runs[1]?.vms[0]?.phases, PHASES)
    t.strictSame(
      runs.map((run) => run.case).sort(),
      ['qcow2', 'raw'],
      'each case of the block was run once',
    )
  })

  await t.test('and cleaned after leaves nothing', async (t) => {
    const vm = await writingVm(home, home.children.at(-1) as Serving, 3)
    const qemu = await qemuOf(home, vm)
    const page = await scrapeLast(home)
    await kill(home)
    const { code, stdout, stderr } = await kvmio(home, ['clean']).end()
    t.equal(code, 0, stderr)
    const { device } = deviceOf(page) ?? {}
    const lines = stdout.replaceAll(/pid \d+/g, 'pid N').split('\n')
    t.match(stdout, `ended qemu of vm ${vm} (pid ${qemu})\n`)
    t.strictSame(lines, [
      `ended qemu of vm ${vm} (pid N)`,
      `removed the folder of vm ${vm}`,
      `unmounted ${home.state}/tiers/slow/mnt`,
      `detached /dev/${device} from ${home.state}/tiers/slow/fuse/disk`,
      `unmounted ${home.state}/tiers/slow/fuse`,
      'ended nbdkit (pid N)',
      `removed the control socket ${home.state}/control/kvmio.sock`,
      `abandoned run 3 (two, ${journal(home)[2]?.case})`,
      '',
    ])
    t.match(journal(home)[2], { id: 3, outcome: 'abandoned', reason: 'ended by kvmio clean' })
    await nothingLeft(t, home)

    const second = await kvmio(home, ['clean']).end()
    t.equal(second.stdout, 'nothing was left behind\n')
  })

  await t.test(
    'is followed by one that is told to end before it has taken the vm over',
    async (t) => {
      await writingVm(home, await serve(home), 4)
      await kill(home)
      const next = kvmio(home, ['serve'])
      await says(next, 'tier is still up; taken over')
      next.kill('SIGTERM')
      const { code, stderr } = await next.end()
      t.equal(code, 0, stderr)
      t.match(journal(home)[3], { id: 4, outcome: 'abandoned', reason: 'ended by SIGTERM' })
      await nothingLeft(t, home)
    },
  )
})

/** Waits until the vm of this run writes. */
async function writingVm(home: Home, serving: Serving, run: number): Promise<string> {
  await says(serving, `run ${run}: two, `)
  const vm = journal(home).find(({ id }) => id === run)?.vms[0]?.name ?? ''
  await until(`vm ${vm} to write`, async () => {
    const page = await scrape(serving)
    return page.value('kvmio_vm_phase', { vm, phase: 'write' }) && writesOf(page, vm) > 10
  })
  return vm
}

async function kill(home: Home): Promise<void> {
  const running = home.children.at(-1)!
  running.kill('SIGKILL')
  await running.end()
}

function scrapeLast(home: Home): Promise<Page> {
  return scrape(home.children.at(-1) as Serving)
}

/** The first page on which this vm's counters are. */
async function scrapeWith(serving: Serving, vm: string): Promise<Page> {
  return await until(`vm ${vm} to be taken over`, async () => {
    const page = await scrape(serving)
    return writesOf(page, vm) > 0 && page
  })
}

function writesOf(page: Page, vm: string): number {
  return page.value('kvmio_drive_writes_completed_total', { vm, drive: 'root' }) ?? 0
}

function deviceOf(page: Page): Record<string, string> | undefined {
  return page.all('kvmio_tier_device_info')[0]?.labels
}

/** The runs up to this one, once it has ended. */
async function ended(home: Home, run: number) {
  return await until(`run ${run} to end`, () => {
    const runs = journal(home).slice(0, run)
    return runs.length === run && runs.every(({ outcome }) => outcome !== null) && runs
  })
}
