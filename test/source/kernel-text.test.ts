import { constants } from 'node:fs'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { run } from '../../src/lib/process.ts'
import { isIn, quickPlacesOf, readKernelText } from '../../src/source/kernel-text.ts'
import { parseMounts } from '../../src/source/mounts.ts'

t.test("the kernel's own files are read at once, and no other's", async (t) => {
  // As in an LXC container, where lxcfs puts files of its own over some of the kernel's.
  const places = quickPlacesOf(
    parseMounts(`1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:5 / /proc rw - proc proc rw
3 2 0:40 /proc/diskstats /proc/diskstats rw - fuse.lxcfs lxcfs rw
4 2 0:30 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw
5 1 0:6 / /sys rw - sysfs sysfs rw
6 5 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
7 1 0:50 / /host/proc rw - proc proc rw
`),
  )
  const quick = (file: string) => isIn(file, places)
  t.ok(quick('/proc/4711/io'))
  t.ok(quick('/host/proc/diskstats'))
  t.ok(quick('/sys/fs/cgroup/machine.slice/io.stat'))
  t.notOk(quick('/proc/diskstats'), "lxcfs' process may hang")
  t.notOk(quick('/proc/sys/fs/binfmt_misc/status'), 'an automount')
  t.notOk(quick('/sys/block/sda/queue/rotational'), 'the kernel waits for the disk')
  t.notOk(quick('/procession'))
  t.notOk(quick('/tmp/proc/diskstats'))
})

t.test('a /proc of a FUSE filesystem is none of the kernel', async (t) => {
  const places = quickPlacesOf(
    parseMounts('1 0 0:9 / /proc rw - proc proc rw\n2 1 0:40 / /proc rw - fuse x rw\n'),
  )
  t.notOk(isIn('/proc/4711/io', places))
})

t.test('both ways give the text, or say why not', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kvmio-text-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'stat'), 'cpu 1\n')
  t.equal(await readKernelText(join(folder, 'stat')), 'cpu 1\n')
  t.match(await readKernelText('/proc/self/stat'), /^\d+ \(/)
  await t.rejects(readKernelText('/proc/self/none'), { code: 'ENOENT' })
  await t.rejects(readKernelText(join(folder, 'none')), { code: 'ENOENT' })
})

t.test('a file that blocks does not block the program', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kvmio-text-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const fifo = join(folder, 'io')
  await run('mkfifo', [fifo])
  const reading = readKernelText(fifo)
  t.equal(await Promise.race([reading, sleep(50, 'the program goes on')]), 'the program goes on')
  const writer = await open(fifo, constants.O_WRONLY)
  await writer.writeFile('read_bytes: 1\n')
  await writer.close()
  t.equal(await reading, 'read_bytes: 1\n')
})
