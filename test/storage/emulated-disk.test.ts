import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, realpath, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { TierConfig } from '../../src/config/schema.ts'
import { codeOf } from '../../src/lib/errors.ts'
import { cgroupPids } from '../../src/source/cgroup.ts'
import { readHostCpu } from '../../src/source/proc.ts'
import { type DiskRecord, diskFiles, readDiskRecord } from '../../src/storage/disk-record.ts'
import { MAX_REQUEST_KB } from '../../src/storage/emulated-disk.ts'
import { backingFiles } from '../../src/storage/loop.ts'
import { makeFilesystem } from '../../src/storage/mkfs.ts'
import { removeOrphans } from '../../src/storage/orphans.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { checkTier, openTier } from '../../src/storage/tiers.ts'
import { until } from '../e2e/kvmio.ts'
import {
  cannotMakeDisks,
  diskstatOf,
  kill,
  openInChild,
  printed,
  stateFor,
  whatIsUp,
} from './state.ts'

const MIB = 2 ** 20
const SATA: TierConfig = {
  filesystem: { type: 'ext4', size: 128 * MIB },
  emulate: { serviceTime: 0.01 },
}
const skip = await cannotMakeDisks('nbdkit', 'nbdfuse')
if (skip) t.plan(0, skip)
else {
  t.test('an emulated disk serves one transaction at a time, in 10 ms', async (t) => {
    const context = await stateFor(t)
    const open = await openTier('sata', SATA, context)
    const { tier, disk } = open
    t.equal(tier.unavailable, undefined)
    t.equal(await checkTier(open), undefined)
    const { nbdkit, nbdfuse } = disk!.record.live!
    if (context.cgroups) {
      const { hierarchy, parent } = context.cgroups
      const pids = await cgroupPids(hierarchy, `${parent}/tier-sata`)
      t.strictSame(pids.sort(), [nbdkit!.pid, nbdfuse!.pid].sort(), 'a cgroup of their own')
    }
    const file = join(tier.directory!, 'data')
    execFileSync('dd', ['if=/dev/zero', `of=${file}`, 'bs=1M', 'count=8', 'conv=fsync'], {
      stdio: 'ignore',
    })

    for (const kb of [64, MAX_REQUEST_KB]) {
      const writes: { transactions: number; ms: number }[] = []
      for (let time = 0; time < 5; time++) writes.push(await writeDirectly(file, kb))
      // ext4's journal may write beside one of them, but one that is split would be split each time.
      const alone = writes.filter(({ transactions }) => transactions === 1)
      t.ok(alone.length > 0, `a direct write of ${kb} KiB is one transaction`)
      // The copying takes longer while others use the host; split in two, not one of them would be below 20 ms.
      const best = Math.min(...alone.map(({ ms }) => ms))
      t.ok(best >= 10 && best < 20, `that takes one service: ${JSON.stringify(writes)}`)
    }
    const noFio = (await missingPrograms(['fio'])) ?? false
    await t.test('at queue depth 8', { skip: noFio }, async (t) => {
      // A host that is itself a guest may have its processors taken away, and the disk waits too: with 2 to 20 % stolen
      // it served 81 to 88/s, else 97 to 99. So a low rate counts only where nothing was stolen.
      for (let left = 3; left > 0; left--) {
        const { rate, stolen } = await measure(file)
        t.ok(rate <= 102, `${rate} transactions/s at most 102`)
        if (rate >= 90) return t.pass(`${rate} transactions/s at least 90`)
        if (stolen < 0.01) return t.fail(`${rate} transactions/s at least 90`)
        const reason = `the hypervisor took ${(stolen * 100).toFixed(1)} % of the processors`
        if (left === 1) t.pass(`${rate} transactions/s`, { skip: reason })
      }
    })
    await open.close()
    t.strictSame(await whatIsUp(context), [])

    if ((await backingFiles('/sys')).get(tier.device!) === undefined) {
      t.not(await maxRequestKb(tier.device!), MAX_REQUEST_KB, 'the number is given back as it was')
    }
    // The limit of the request size stays with the number of the loop device if nobody resets it.
    const plain = await openTier('plain', { filesystem: SATA.filesystem }, context)
    t.not(await maxRequestKb(plain.tier.device!), MAX_REQUEST_KB)
    await plain.close()

    async function writeDirectly(file: string, kb: number) {
      execFileSync('sync', ['-f', file])
      const before = await diskstatOf(tier.device!)
      const args = [`bs=${kb}k`, 'count=1', 'oflag=direct', 'conv=notrunc']
      execFileSync('dd', ['if=/dev/zero', `of=${file}`, ...args], { stdio: 'ignore' })
      const after = await diskstatOf(tier.device!)
      const transactions = after.writesCompleted - before.writesCompleted
      return { transactions, ms: after.writeMs - before.writeMs }
    }

    async function measure(file: string): Promise<{ rate: number; stolen: number }> {
      const job = ['--name=t', `--filename=${file}`, '--size=8M', '--rw=randwrite', '--bs=4k']
      const how = ['--direct=1', '--ioengine=libaio', '--iodepth=8', '--time_based', '--runtime=5']
      const fio = spawn('fio', [...job, ...how], { stdio: 'ignore' })
      t.teardown(() => kill(fio))
      const idle = await diskstatOf(tier.device!)
      const deadline = Date.now() + 10_000
      let before = idle
      while (before.writesCompleted < idle.writesCompleted + 20 && Date.now() < deadline) {
        await sleep(20)
        before = await diskstatOf(tier.device!)
      }
      const [cpu, from] = [await readHostCpu('/proc'), performance.now()]
      await sleep(3_500)
      const [after, to] = [await diskstatOf(tier.device!), performance.now()]
      if (fio.exitCode === null) await once(fio, 'exit')
      t.equal(fio.exitCode, 0)
      const { cpus, secondsByMode } = await readHostCpu('/proc')
      const seconds = (to - from) / 1000
      const steal = (secondsByMode.steal ?? 0) - (cpu.secondsByMode.steal ?? 0)
      return {
        rate: (after.writesCompleted - before.writesCompleted) / seconds,
        stolen: steal / seconds / cpus,
      }
    }
  })

  t.test('a killed kvmio finds its disk as it left it', async (t) => {
    const context = await stateFor(t)
    const child = openInChild(t, 'sata', SATA, context)
    const left = await printed<{ tier: { device: string; directory: string }; record: DiskRecord }>(
      child,
    )
    await writeFile(join(left.tier.directory, 'kept'), 'as it was')
    execFileSync('sync', ['-f', left.tier.directory])
    const before = await diskstatOf(left.tier.device)
    await kill(child)

    const open = await openTier('sata', SATA, context)
    t.strictSame(open.tier, left.tier)
    t.strictSame(open.disk?.record, left.record, 'the same daemons')
    t.equal(await readFile(join(left.tier.directory, 'kept'), 'utf8'), 'as it was')
    t.ok((await diskstatOf(left.tier.device)).writesCompleted >= before.writesCompleted)
    t.ok(before.writesCompleted > 0)
    t.equal(await maxRequestKb(left.tier.device), MAX_REQUEST_KB)

    // Another service time is another disk on the same file.
    const slower = await openTier('sata', { ...SATA, emulate: { serviceTime: 0.02 } }, context)
    t.not(slower.disk?.record.live?.nbdkit?.pid, left.record.live?.nbdkit?.pid)
    t.equal(await readFile(join(left.tier.directory, 'kept'), 'utf8'), 'as it was')
    t.equal((await whatIsUp(context)).length, context.cgroups ? 6 : 5)
    await slower.close()
    t.strictSame(await whatIsUp(context), [])
  })

  t.test('killed at any step, it is built again', async (t) => {
    for (const step of [/^$/, /disk\.img/, /nbdkit/, /nbdfuse/, /"loop"/] as const) {
      const context = await stateFor(t)
      const child = openInChild(t, 'sata', SATA, context)
      const files = diskFiles(context.stateDir, 'sata')
      const deadline = Date.now() + 10_000
      for (;;) {
        const found = [...(await whatIsUp(context)), await textOf(files.record)].join(' ')
        if (step.test(found) || child.exitCode !== null || Date.now() > deadline) break
        if (step.source === 'disk\\.img' && (await textOf(files.record)) !== '') break
      }
      await kill(child)
      const open = await openTier('sata', SATA, context)
      t.equal(open.tier.unavailable, undefined, `after ${step}`)
      t.equal(await checkTier(open), undefined)
      t.equal((await whatIsUp(context)).length, context.cgroups ? 6 : 5)
      await open.close()
      t.strictSame(await whatIsUp(context), [])
    }
  })

  for (const program of ['nbdkit', 'nbdfuse'] as const) {
    t.test(`a dead ${program} is named, and all is cleaned up`, async (t) => {
      const context = await stateFor(t)
      const open = await openTier('sata', SATA, context)
      await writeFile(join(open.tier.directory!, 'kept'), 'as it was')
      execFileSync('sync', ['-f', open.tier.directory!])
      const { pid } = open.disk!.record.live![program]!
      process.kill(pid, 'SIGKILL')
      const reason = `${program} (pid ${pid}) has ended, and the emulated disk with it`
      const deadline = Date.now() + 2_000
      let seen: string | undefined
      while (!seen && Date.now() < deadline) {
        seen = await checkTier(open)
        await sleep(20)
      }
      t.equal(seen, reason)

      const again = await openTier('sata', SATA, context)
      t.equal(again.tier.unavailable, undefined)
      t.equal(await checkTier(again), undefined)
      t.equal(await readFile(join(again.tier.directory!, 'kept'), 'utf8'), 'as it was')
      process.kill(again.disk!.record.live![program]!.pid, 'SIGKILL')
      await again.close()
      t.strictSame(await whatIsUp(context), [])
    })
  }

  t.test('in use, it is ended under its user', async (t) => {
    const context = await stateFor(t)
    const open = await openTier('sata', SATA, context)
    const user = spawn('sleep', ['60'], { cwd: open.tier.directory!, stdio: 'ignore' })
    t.teardown(() => kill(user))
    await once(user, 'spawn')
    const { nbdkit, nbdfuse } = open.disk!.record.live!
    const lines = await removeOrphans(context.stateDir, context)
    t.match(lines, [
      `unmounted ${open.tier.directory} lazily: it was in use`,
      /^unmounted .*\/fuse lazily: it was in use$/,
      `ended nbdfuse (pid ${nbdfuse!.pid})`,
      `ended nbdkit (pid ${nbdkit!.pid})`,
    ])
    t.strictSame(await whatIsUp(context), [])
    const loop = () => readFile(`/sys/block/${open.tier.device}/loop/backing_file`, 'utf8')
    t.equal(await loop(), '/disk\n', 'held by the user alone')
    await kill(user)
    await until('the kernel to let go of it', async () => (await loop().catch(codeOf)) === 'ENOENT')
  })

  const noBtrfs = (await missingPrograms(['mkfs.btrfs'])) ?? false
  t.test('one whose nbdfuse was killed costs other tiers nothing', { skip: noBtrfs }, async (t) => {
    const context = await stateFor(t)
    const open = await openTier('sata', SATA, context)
    process.kill(open.disk!.record.live!.nbdfuse!.pid, 'SIGKILL')
    const { exported } = diskFiles(await realpath(context.stateDir), 'sata')
    await until('it to be dead', async () => (await stat(exported).catch(codeOf)) === 'ENOTCONN')
    const up = await whatIsUp(context)
    const config: TierConfig = { filesystem: { type: 'btrfs', size: 128 * MIB } }
    const other = await openTier('other', config, context)
    t.equal(other.tier.unavailable, undefined)
    t.equal(await checkTier(other), undefined)
    await other.close()

    const plain: TierConfig = { filesystem: { type: 'ext4', size: 256 * MIB } }
    const loop = await openTier('plain', plain, context)
    const path = join(loop.tier.directory!, 'image')
    await writeFile(path, '')
    await truncate(path, 128 * MIB)
    await makeFilesystem({ type: 'btrfs', name: 'image', words: [], path })
    t.match(execFileSync('blkid', ['-p', path], { encoding: 'utf8' }), /TYPE="btrfs"/, 'on a loop')
    await loop.close()
    t.strictSame(await whatIsUp(context), up, 'nothing was unmounted under it')
    await open.close()
    t.strictSame(await whatIsUp(context), [])
  })

  for (const [program, words] of [
    ['nbdkit', 'nbdkit exited with code 1'],
    ['nbdfuse', 'nbdfuse exited with code 1'],
  ] as const) {
    t.test(`${program} that does not start says so`, async (t) => {
      const context = await stateFor(t)
      const path = process.env.PATH
      t.teardown(() => {
        process.env.PATH = path
      })
      await symlink('/bin/false', join(context.stateDir, program))
      process.env.PATH = `${context.stateDir}:${path}`
      const { tier } = await openTier('sata', SATA, context)
      process.env.PATH = path
      t.equal(tier.unavailable, words)
      t.strictSame(await whatIsUp(context), [])
      const files = diskFiles(context.stateDir, 'sata')
      t.equal((await readDiskRecord(files))?.live, undefined)
    })
  }

  t.test('a disk that no longer answers is broken off', async (t) => {
    const context = await stateFor(t)
    const open = await openTier('sata', SATA, { ...context, unmountMs: 500 })
    const { nbdkit } = open.disk!.record.live!
    await writeFile(join(open.tier.directory!, 'dirty'), 'never on the disk')
    process.kill(nbdkit!.pid, 'SIGSTOP')
    const from = performance.now()
    await open.close()
    t.ok(
      performance.now() - from < 8_000,
      'not waited for: 10 s later it would be let go of lazily',
    )
    t.strictSame(await whatIsUp(context), [])
    const again = await openTier('sata', SATA, context)
    t.equal(again.tier.unavailable, undefined)
    await again.close()
  })
}

async function maxRequestKb(device: string): Promise<number> {
  return Number(await readFile(`/sys/block/${device}/queue/max_sectors_kb`, 'utf8'))
}

async function textOf(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch(() => '')
}
