import { access, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readProcStat } from '../../src/source/proc.ts'
import {
  applianceOrLack,
  cannotEmulate,
  guestOn,
  guestSays,
  homeFor,
  initrdWith,
  journal,
  kvmio,
  LOCAL,
  nothingLeft,
  processes,
  qemuOf,
  SLOW,
  says,
  scrape,
  serve,
  until,
  writes,
} from './kvmio.ts'

const { appliance, lack } = await applianceOrLack()
const skip = lack || (await cannotEmulate())
const kernel = appliance?.kernel ?? ''
const initrd = appliance?.initrd ?? ''

/** A study whose first run fails; the rest after it keeps what is known of its vms. */
const failing = (guest: string, workload = writes('2MiB')) => ({
  guest,
  blocks: 2,
  pause: '1m',
  workload,
})

const OWN_INIT = '#!/bin/busybox sh\nbusybox mount -t devtmpfs dev /dev\nexec >/dev/console\n'

const CONFIG = {
  tiers: {
    local: LOCAL,
    slow: SLOW,
    // Room for the image of `full` as it is checked before the start, and none for it beside another file.
    tight: { filesystem: { type: 'ext2', size: '64MiB' } },
  },
  guests: {
    small: guestOn('local'),
    large: guestOn('local', {}, { size: '1GiB' }),
    slow: guestOn('slow'),
    full: guestOn('tight', {}, { size: '48MiB' }),
    garbage: guestOn('local', { system: { kernel: 'garbage' } }),
    panics: guestOn('local', { system: { kernel, initrd: 'panics.img' } }),
    hangs: guestOn('local', {
      system: { kernel, initrd: 'hangs.img' },
      deadlines: { boot: '8s' },
    }),
  },
  studies: {
    garbage: failing('garbage'),
    panics: failing('panics'),
    hangs: failing('hangs'),
    killed: failing('large', writes('1GiB', '4KiB')),
    'given-up': failing('large', writes('1GiB', '4KiB')),
    full: failing('full', writes('40MiB', '64KiB')),
    torn: failing('slow', writes('32MiB', '4KiB')),
    pair: { guest: 'slow', vms: 2, blocks: 1, pause: '0s', workload: writes('4MiB', '4KiB') },
  },
}

t.test('what fails outside of kvmio', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  await writeFile(join(home.directory, 'garbage'), 'no kernel\n'.repeat(1000))
  await initrdWith(join(home.directory, 'panics.img'), initrd, `${OWN_INIT}echo giving up\n`)
  await initrdWith(
    join(home.directory, 'hangs.img'),
    initrd,
    `${OWN_INIT}echo waiting for nothing\nbusybox sleep 1000\n`,
  )
  const serving = await serve(home)

  /** Hands the study over, does what makes it fail, and answers with the reason of the run. */
  async function failure(t: Test, study: string, act: () => Promise<void> = async () => {}) {
    const run = kvmio(home, ['run', study])
    await act().catch((error) => {
      throw new Error(`${error.message}; run said:\n${run.said()}serve said:\n${serving.said()}`)
    })
    await says(run, '  only: failed: ')
    const page = await scrape(serving)
    const vm = `${study}-only-1`
    t.equal(page.value('kvmio_vm_outcome', { vm, outcome: 'failed' }), 1, 'kvmio_vm_outcome')
    t.equal(page.value('kvmio_vm_up', { vm }), 0, 'kvmio_vm_up')
    t.equal(page.value('kvmio_study_runs_total', { study, outcome: 'failed' }), 1)
    t.equal(page.value('kvmio_scrape_collector_success', { collector: 'qmp' }), 1)
    run.kill('SIGINT')
    const ended = await run.end()
    t.equal(ended.code, 1)
    t.ok(
      ended.stderr.endsWith('SIGINT: ending the vms and giving back what is theirs\n'),
      ended.stderr,
    )
    const row = journal(home).find((row) => row.study === study)
    t.equal(row?.outcome, 'failed')
    t.strictSame(await processes(join(home.state, 'vms', vm)), [], 'no qemu is left')
    return { ended, reason: row?.reason ?? '' }
  }

  await t.test('a second serve on the same state directory', async (t) => {
    const { code, stdout, stderr } = await kvmio(home, ['serve']).end()
    t.equal(
      stderr,
      `${home.state} is in use by another kvmio; end it, or name another "state" in the config\n`,
    )
    t.equal(stdout, '')
    t.equal(code, 1)
  })

  await t.test('a kernel that is none', async (t) => {
    const { reason } = await failure(t, 'garbage')
    t.equal(reason, 'vm garbage-only-1: qemu exited with code 1:\n  qemu: invalid kernel header')
  })

  await t.test('a guest that panics', async (t) => {
    const { reason } = await failure(t, 'panics')
    const [where, ...lines] = reason.split('\n  ')
    const without = 'vm panics-only-1 went off before its first phase without saying how it ended'
    t.equal(where, `${without}; last console lines:`)
    t.equal(lines[0], 'giving up')
    t.match(lines[1], /Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000000$/)
  })

  await t.test('a guest that hangs in its boot', async (t) => {
    const { reason } = await failure(t, 'hangs')
    t.equal(
      reason,
      'vm hangs-only-1 did not reach phase "boot" in 8 s; last console lines:\n  waiting for nothing',
    )
  })

  await t.test('a qemu that is killed while its guest writes', async (t) => {
    const { reason } = await failure(t, 'killed', async () => {
      await guestSays(home, 'killed-only-1', ' phase write')
      process.kill(await qemuOf(home, 'killed-only-1'), 'SIGKILL')
    })
    t.equal(reason, 'vm killed-only-1: qemu was killed by SIGKILL')
  })

  await t.test('a run that is given up by Ctrl-C', async (t) => {
    const run = kvmio(home, ['run', 'given-up'])
    await guestSays(home, 'given-up-only-1', ' phase write')
    run.kill('SIGINT')
    const { code, stderr } = await run.end()
    t.equal(code, 1)
    t.match(stderr, /theirs\n$/)
    const ended = { outcome: 'abandoned', reason: 'ended by the user' }
    const row = await until('the run to end', () => {
      const row = journal(home).find(({ study }) => study === 'given-up')
      return row?.outcome !== null && row
    })
    t.match(row, ended)
  })

  await t.test('a disk that is full', async (t) => {
    const filler = join(home.state, 'tiers/tight/mnt/filler')
    const { reason } = await failure(t, 'full', async () => {
      await until('qemu to have started', () =>
        exists(join(home.state, 'vms/full-only-1/phase.log')),
      )
      await writeFile(filler, Buffer.alloc(40 * 2 ** 20))
    })
    await rm(filler)
    t.equal(reason, 'vm full-only-1: drive root: write failed: no space left under its image')
  })

  await t.test('one of two qemus that is stopped for a while', async (t) => {
    const run = kvmio(home, ['run', 'pair', '--once'])
    const vms = ['pair-only-1', 'pair-only-2']
    for (const vm of vms) await guestSays(home, vm, ' phase write')
    const qemu = await qemuOf(home, vms[0]!)
    await t.test('neither of which is root', (t) => confined(t, qemu))

    process.kill(qemu, 'SIGSTOP')
    const page = await scrape(serving, '', 2)
    process.kill(qemu, 'SIGCONT')
    t.ok(page.tookMs < 2_000, `the scrape took ${page.tookMs} of 2000 ms`)
    t.strictSame(
      vms.map((vm) => page.value('kvmio_vm_up', { vm })),
      [0, 1],
    )
    t.equal(page.value('kvmio_drive_writes_completed_total', { vm: vms[0]! }), undefined)
    t.ok(page.value('kvmio_drive_writes_completed_total', { vm: vms[1]! })! > 0)
    t.equal(page.value('kvmio_scrape_errors_total', { collector: 'qmp' }), 1)

    const { code, stdout, stderr } = await run.end(60_000)
    t.equal(code, 0, stderr)
    t.match(stderr, 'handed over to the kvmio that serves this state directory\n')
    t.match(stderr, /^\[1\/1\] only: started \(block 1, run \d+\)$/m)
    t.match(stderr, /^ {2}pair-only-2: write at \d+\.\d s$/m)
    t.match(stdout, /^only +passed /m)
  })

  await t.test('an iostat that says nothing more, and is killed then', async (t) => {
    const isUp = async () => {
      const page = await scrape(serving)
      return page.value('kvmio_scrape_collector_success', { collector: 'iostat' })
    }
    t.equal(await isUp(), 1)
    const iostat = await childOf(serving.pid, 'iostat -dxyk')
    process.kill(iostat, 'SIGSTOP')
    await until('iostat to be missed', async () => (await isUp()) === 0)
    process.kill(iostat, 'SIGKILL')
    await says(serving, 'iostat is started again in 1 s: iostat was killed by SIGKILL')
    await until('iostat to be back', async () => (await isUp()) === 1)
  })

  await t.test('an nbdkit that is killed under a guest that writes', async (t) => {
    const { reason } = await failure(t, 'torn', async () => {
      await guestSays(home, 'torn-only-1', ' phase write')
      const [nbdkit] = await processes(`nbdkit --unix ${home.state}/tiers/slow/nbd.sock`)
      process.kill(nbdkit!.pid, 'SIGKILL')
      await says(
        serving,
        `tier slow no longer works: nbdkit (pid ${nbdkit!.pid}) has ended, and the emulated disk with it`,
      )
    })
    t.match(reason, "vm torn-only-1: write: dd: error writing '/dev/vda': Input/output error; last")
    const page = await scrape(serving)
    t.equal(page.value('kvmio_tier_available', { tier: 'slow' }), 0)
    t.equal(page.value('kvmio_tier_available', { tier: 'local' }), 1)
  })

  serving.kill('SIGTERM')
  const { code, stderr } = await serving.end(90_000)
  t.equal(code, 0, stderr)
  await nothingLeft(t, home)
})

/** https://man7.org/linux/man-pages/man5/proc_pid_status.5.html */
async function confined(t: Test, pid: number): Promise<void> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*?)\\s*$`, 'm').exec(status)?.[1]
  const user = '61177\t61177\t61177\t61177'
  t.equal(field('Uid'), user)
  t.equal(field('Gid'), user)
  t.equal(field('Groups'), '61177')
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) t.match(field(set), /^0+$/, set)
  t.equal(field('Seccomp'), '2', 'its system calls are filtered')
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}

async function childOf(parent: number, command: string): Promise<number> {
  for (const { pid } of await processes(command)) {
    const { ppid } = await readProcStat('/proc', pid)
    if (ppid === parent) return pid
  }
  throw new Error(`process ${parent} has no child ${command}`)
}
