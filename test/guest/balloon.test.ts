// Real guests: what a balloon takes back, and what the host has of it.
import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { WorkloadConfig } from '../../src/config/workload-schema.ts'
import { launchVm } from '../../src/guest/launch.ts'
import type { BalloonPlan } from '../../src/guest/plan.ts'
import type { RunningVm, VmContext } from '../../src/guest/running-vm.ts'
import { applianceAppend } from '../../src/guest/systems/appliance-append.ts'
import { silentLog } from '../../src/lib/log.ts'
import { type BalloonState, readBalloon } from '../../src/source/balloon.ts'
import { readProportionalMemory } from '../../src/source/smaps.ts'
import { applianceOrLack, initrdWith, until } from '../e2e/kvmio.ts'
import { BINARY, planOf, vmsFolder } from './vm-plan.ts'

const MIB = 2 ** 20
const { appliance, lack } = await applianceOrLack()

interface Trial {
  balloon?: BalloonPlan
  workload: WorkloadConfig
  initrd?: string
}

const WRITE = { kind: 'boot-write-shutdown', blockSize: 65_536, direct: false } as const

/** A guest of 192 MiB with a disk of 256 MiB, which runs. */
async function start(t: Test, { balloon, workload, initrd = appliance?.initrd }: Trial) {
  const warnings: string[] = []
  const vmsDir = await vmsFolder(t)
  const path = join(vmsDir, '../disk.raw')
  await writeFile(path, '')
  await truncate(path, 256 * MIB)
  const plan = planOf(vmsDir, 'balloon-1', {
    memoryBytes: 192 * MIB,
    balloon,
    boot: {
      kernel: appliance?.kernel ?? '',
      initrd,
      append: applianceAppend(workload, ['root']),
    },
    drives: [
      {
        name: 'root',
        tier: 'local',
        bus: 'virtio-blk',
        format: 'raw',
        cache: 'writeback',
        aio: 'threads',
        sizeBytes: 256 * MIB,
        backend: { kind: 'file', path },
        backing: [],
        preallocation: 'off',
        lazyRefcounts: false,
        extendedL2: false,
        discard: 'ignore',
        detectZeroes: 'off',
        iothread: false,
      },
    ],
    deadlines: { start: 60, boot: 120, phase: 120 },
  })
  const log = Object.assign(Object.create(silentLog), {
    warn: (...words: unknown[]) => warnings.push(words.join(' ')),
  })
  const context: VmContext = {
    procRoot: '/proc',
    binary: BINARY,
    log,
    now: () => Date.now() / 1000,
  }
  const listener = { started() {}, booted() {}, phases() {}, result() {}, async ended() {} }
  const vm = await launchVm(plan, context, listener)
  t.teardown(() => vm.stop('the test is over'))
  return { vm, warnings, pid: vm.record.pid }
}

/** The balloon once it is as the test wants it. */
async function balloonOf(
  { record }: RunningVm,
  what: string,
  wanted: (balloon: BalloonState) => unknown,
): Promise<BalloonState> {
  return await until(what, async () => {
    const balloon = await readBalloon(record.qmp)
    return wanted(balloon) ? balloon : undefined
  })
}

const anonymous = async (pid: number) =>
  (await readProportionalMemory('/proc', pid)).anonymousBytes ?? 0

t.test('a target of 128 of 192 MiB gives memory back', { skip: lack }, async (t) => {
  const { vm, pid } = await start(t, {
    balloon: { targetBytes: 128 * MIB, at: 'settle', freePageReporting: false, pollSeconds: 1 },
    workload: { ...WRITE, write: 100 * MIB, to: 'filesystem', settle: 12 },
  })
  t.strictSame(vm.record.balloon, { targetBytes: 192 * MIB }, 'nothing is taken before its phase')
  t.strictSame(await readBalloon(vm.record.qmp), { actualBytes: 192 * MIB }, 'and nothing said')
  await until('the guest to settle', () => vm.phase?.name === 'settle')
  const { guest } = await balloonOf(
    vm,
    'the guest to have given 64 MiB',
    ({ actualBytes }) => actualBytes === 128 * MIB,
  )
  t.strictSame(vm.record.balloon, { targetBytes: 128 * MIB })
  t.ok((guest?.totalBytes ?? 0) > 100 * MIB && (guest?.totalBytes ?? 0) < 192 * MIB)
  t.ok((guest?.freeBytes ?? 0) < (guest?.totalBytes ?? 0))
  const held = await anonymous(pid)
  const end = await vm.finished
  t.equal(end.outcome, 'passed', end.reason ?? 'passed')
  const { process, balloon } = end.lastSample!.memory
  t.match(balloon, { targetBytes: 128 * MIB, actualBytes: 128 * MIB })
  const before = balloon?.processBefore?.anonymousBytes ?? 0
  // 88 MiB of 296 in the first trial: the 64 MiB of the target, and what was touched meanwhile and freed.
  t.ok(before - held > 48 * MIB, `${Math.round((before - held) / MIB)} MiB were given back`)
  t.ok(
    before - (process?.anonymousBytes ?? before) > 40 * MIB,
    'and so it stands in the last sample',
  )
})

// What is reported are stretches of 2 MiB (the kernel's pageblock_order) that are free as a whole: page cache of a guest
// that wrote two files side by side is freed in shreds, of which nothing is reported (seen with dd's 32 MiB beside it).
t.test('reported free pages are given back without any target', { skip: lack }, async (t) => {
  const init = await readFile(new URL('../../src/guest/systems/init.sh', import.meta.url), 'utf8')
  const work = '\nrun_workload\n'
  t.match(init, work)
  const initrd = join(await vmsFolder(t), 'initrd.img')
  const touch =
    'busybox dd if=/dev/zero of=/tmp/big bs=1048576 count=64 2>/tmp/said\nbusybox rm /tmp/big'
  await initrdWith(initrd, appliance?.initrd ?? '', init.replace(work, `\n${touch}${work}`))
  const held = new Map<boolean, number>()
  for (const freePageReporting of [false, true]) {
    const { vm, pid } = await start(t, {
      balloon: { freePageReporting, pollSeconds: 1 },
      workload: { kind: 'idle', time: 8 },
      initrd,
    })
    await until('the guest to have freed it', () => vm.phase?.name === 'idle')
    await sleep(6_000) // a guest reports 2 s after pages became free
    held.set(freePageReporting, await anonymous(pid))
    const end = await vm.finished
    t.equal(end.outcome, 'passed', end.reason ?? 'passed')
    t.match(end.lastSample?.memory.balloon, { targetBytes: 192 * MIB, actualBytes: 192 * MIB })
  }
  const less = held.get(false)! - held.get(true)!
  t.ok(less > 32 * MIB, `${Math.round(less / MIB)} MiB less of 64 that were freed`)
})

t.test('without a phase it is set from the start', { skip: lack }, async (t) => {
  const { vm } = await start(t, {
    balloon: { targetBytes: 128 * MIB, freePageReporting: false, pollSeconds: 1 },
    workload: { kind: 'idle', time: 5 },
  })
  await until('the target to be told', () => vm.record.balloon?.targetBytes === 128 * MIB)
  t.equal(vm.phase, undefined, 'before the guest says anything')
  await balloonOf(vm, 'the target', ({ actualBytes }) => actualBytes === 128 * MIB)
  const end = await vm.finished
  t.equal(end.outcome, 'passed', end.reason ?? 'passed')
  t.notOk(end.lastSample?.memory.balloon?.processBefore, 'there is nothing to compare with')
})

t.test('a phase that never comes is told at the end', { skip: lack }, async (t) => {
  const { vm, warnings } = await start(t, {
    balloon: { targetBytes: 128 * MIB, at: 'never', freePageReporting: false, pollSeconds: 1 },
    workload: { kind: 'idle', time: 1 },
  })
  t.equal((await vm.finished).outcome, 'passed')
  t.strictSame(warnings, [
    'vm balloon-1: its balloon was left alone, since the guest had no phase "never"',
  ])
})
