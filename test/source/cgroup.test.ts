import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import {
  addToCgroup,
  armCgroup,
  cgroupPids,
  createCgroup,
  findIoHierarchy,
  type IoHierarchy,
  parseBlkio,
  parseIoStat,
  readCgroupIo,
  removeCgroup,
} from '../../src/source/cgroup.ts'
import { filesystemOf, readMounts } from '../../src/source/mounts.ts'
import { fixture } from './fixtures.ts'

const V1: IoHierarchy = { version: 1, root: fixture('pvm-debian12/cgroup/blkio') }
const V2: IoHierarchy = { version: 2, root: fixture('constructed-cgroup2/cgroup') }

t.test('a hybrid host has v1 blkio', async (t) => {
  const found = await findIoHierarchy(fixture('pvm-debian12/proc'))
  t.strictSame(found, { version: 1, root: '/sys/fs/cgroup/blkio' })
})

t.test('a unified host has v2, unless the io controller is not there', async (t) => {
  const mountinfo = (root: string) => `30 23 0:26 / ${root} rw - cgroup2 cgroup2 rw,nsdelegate\n`
  const proc = t.testdir({ self: { mountinfo: mountinfo(V2.root) } })
  t.strictSame(await findIoHierarchy(proc), V2)
  const bare = join(proc, 'bare')
  await mkdir(bare)
  writeFileSync(join(bare, 'cgroup.controllers'), 'cpu memory\n')
  writeFileSync(join(proc, 'self/mountinfo'), mountinfo(bare))
  t.equal(await findIoHierarchy(proc), undefined)
  writeFileSync(join(proc, 'self/mountinfo'), '')
  t.equal(await findIoHierarchy(proc), undefined)
})

t.test('reads a recorded v1 cgroup', async (t) => {
  t.strictSame(await readCgroupIo(V1, 'vm'), [
    {
      device: '254:0',
      readsCompleted: 53,
      readBytes: 425984,
      writesCompleted: 200,
      writtenBytes: 819200,
      discardsCompleted: 0,
      discardedBytes: 0,
    },
  ])
})

t.test('v1: a file without figures gives no row', async (t) => {
  t.strictSame(parseBlkio('Total 0\n', 'Total 0\n'), [])
  t.strictSame(parseBlkio('', ''), [])
  const counts = '8:0 Read 1\n8:0 Write 2\n8:0 Sync 3\n8:0 Async 0\n8:0 Total 3\nTotal 3\n'
  t.strictSame(parseBlkio(counts, 'Total 0\n'), [], 'counts without bytes')
  t.strictSame(parseBlkio(counts, '8:0 Read 512\n8:0 Write 1024\n'), [
    { device: '8:0', readsCompleted: 1, readBytes: 512, writesCompleted: 2, writtenBytes: 1024 },
  ])
})

t.test('reads a v2 cgroup', async (t) => {
  t.strictSame(await readCgroupIo(V2, 'kvmio/vm'), [
    {
      device: '253:0',
      readsCompleted: 120,
      readBytes: 1474560,
      writesCompleted: 500,
      writtenBytes: 2048000,
      discardsCompleted: 1,
      discardedBytes: 65536,
    },
    {
      device: '8:0',
      readsCompleted: 90,
      readBytes: 1474560,
      writesCompleted: 410,
      writtenBytes: 2048000,
      discardsCompleted: 0,
      discardedBytes: 0,
    },
  ])
  t.strictSame(await cgroupPids(V2, 'kvmio/vm'), [4711, 4712])
  t.strictSame(await cgroupPids(V2, 'kvmio/gone'), [])
})

t.test('v2: what some kernels print besides', async (t) => {
  const row = { readsCompleted: 1, readBytes: 4096, writesCompleted: 2, writtenBytes: 8192 }
  const values = 'rbytes=4096 wbytes=8192 rios=1 wios=2'
  const cases: [what: string, text: string, devices: string[]][] = [
    ['nothing', '', []],
    ['a device without figures', '8:0 \n8:16\n', []],
    ['two devices on one line', `8:0 8:16 ${values}\n`, ['8:16']],
    ['a device that is gone', `(unknown) ${values}\n8:0 ${values}\n`, ['8:0']],
    ['only figures of another policy', '8:0 cost.usage=12\n', []],
    ['keys that nobody knows yet', `8:0 ${values} xios=nonsense\n`, ['8:0']],
  ]
  for (const [what, text, devices] of cases) {
    t.strictSame(
      parseIoStat(text),
      devices.map((device) => ({ device, ...row })),
      what,
    )
  }
})

t.test('bad text', async (t) => {
  const bad: [mistake: string, parse: () => unknown, message: string][] = [
    [
      'v1: a word for a device',
      () => parseBlkio('sda Read 1\n', ''),
      'io_serviced_recursive:1: expected MAJ:MIN OPERATION COUNT, got "sda Read 1"',
    ],
    [
      'v1: cut short',
      () => parseBlkio('8:0 Read 1\n8:0 Wr', ''),
      'io_serviced_recursive:2: expected MAJ:MIN OPERATION COUNT, got "8:0 Wr"',
    ],
    [
      'v1: a negative number',
      () => parseBlkio('', '8:0 Read -1\n'),
      'io_service_bytes_recursive:1: Read: expected a whole number, got "-1"',
    ],
    [
      'v2: a word',
      () => parseIoStat('8:0 rbytes=1 hello\n'),
      'io.stat:1: expected MAJ:MIN or KEY=VALUE, got "hello"',
    ],
    [
      'v2: no number',
      () => parseIoStat('\n8:0 rbytes=\n'),
      'io.stat:2: rbytes: expected a whole number, got ""',
    ],
  ]
  for (const [mistake, parse, message] of bad) {
    t.throws(parse, { name: 'ParseError', message }, mistake)
  }
})

t.test('v2: those above are told to count I/O, once', async (t) => {
  // A plain folder in place of cgroup2, which has no io controller on a hybrid host.
  const root = t.testdir({
    'cgroup.controllers': 'cpu io memory\n',
    'cgroup.subtree_control': 'memory\n',
    kvmio: { 'cgroup.controllers': 'io\n', 'cgroup.subtree_control': '' },
  })
  const hierarchy: IoHierarchy = { version: 2, root }
  await createCgroup(hierarchy, 'kvmio/vm')
  t.ok(existsSync(join(root, 'kvmio/vm')))
  t.match(readFileSync(join(root, 'cgroup.subtree_control'), 'utf8'), /^\+io/)
  t.equal(readFileSync(join(root, 'kvmio/cgroup.subtree_control'), 'utf8'), '+io')
  await armCgroup(hierarchy, 'kvmio/vm', '254:0') // nothing to do on v2
})

t.test('names that leave the hierarchy are refused', async (t) => {
  for (const path of ['', '/', '../other', 'kvmio/../..', 'kvmio//vm', 'a\nb', '.']) {
    await t.rejects(createCgroup(V1, path), {
      message: `cgroup ${path}: expected names between slashes, none of them dots alone or with control characters`,
    })
  }
})

t.test('v1 for real', async (t) => {
  const hierarchy = await findIoHierarchy('/proc')
  if (process.getuid?.() !== 0) return t.plan(0, 'making cgroups needs root')
  if (hierarchy?.version !== 1) return t.plan(0, 'this host has no v1 blkio hierarchy')
  const directory = t.testdir()
  const { device, mount } = await filesystemOf(directory, await readMounts('/proc'))
  if (!device)
    return t.plan(0, `${mount.mountPoint} is ${mount.filesystem}, which has no block device`)

  const top = `kvmio-test-${process.pid}`
  const [armed, other] = [`${top}/armed`, `${top}/other`]
  t.teardown(() => removeCgroup(hierarchy, top))
  await createCgroup(hierarchy, armed)
  await createCgroup(hierarchy, other)
  await createCgroup(hierarchy, other) // again is no error
  t.strictSame(await readCgroupIo(hierarchy, other), [], 'absent, not 0')
  await armCgroup(hierarchy, armed, device)

  await writeInCgroup(hierarchy, other, join(directory, 'file'), 64)
  const [row, ...more] = await readCgroupIo(hierarchy, other)
  t.match(row, { device, writesCompleted: 64, writtenBytes: 64 * 4096 })
  t.strictSame(more, [])
  t.match(await readCgroupIo(hierarchy, armed), [{ device, writesCompleted: 0 }], 'the neighbour')
  t.match(await readCgroupIo(hierarchy, top), [{ device, writesCompleted: 64 }], 'with those below')

  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  await addToCgroup(hierarchy, armed, child.pid!)
  t.strictSame(await cgroupPids(hierarchy, armed), [child.pid])
  await t.rejects(removeCgroup(hierarchy, top), {
    message: `cgroup ${armed}: could not be removed: it still holds process ${child.pid}`,
  })
  setTimeout(() => child.kill('SIGKILL'), 200)
  await removeCgroup(hierarchy, top) // waits for it
  t.notOk(existsSync(join(hierarchy.root, top)))
  await removeCgroup(hierarchy, top) // again is no error

  await t.rejects(addToCgroup(hierarchy, top, process.pid), {
    message: `cgroup ${top}: could not be given process ${process.pid}: there is no such cgroup`,
  })
  await createCgroup(hierarchy, top)
  await t.rejects(addToCgroup(hierarchy, top, 2 ** 22 + 1), {
    message: `cgroup ${top}: could not be given process 4194305: there is no such process`,
  })
  await t.rejects(armCgroup(hierarchy, top, '4095:77'), {
    message: `cgroup ${top}: could not be made to count I/O on 4095:77: there is no such whole disk`,
  })
})

/** Direct writes of 4 KiB by a process that waits until it is in the cgroup. */
async function writeInCgroup(
  hierarchy: IoHierarchy,
  path: string,
  file: string,
  count: number,
): Promise<void> {
  const writer = spawn(
    'sh',
    ['-c', 'read go; exec dd if=/dev/zero of="$0" bs=4k count="$1" oflag=direct', file, `${count}`],
    { stdio: ['pipe', 'ignore', 'ignore'] },
  )
  const ended = new Promise((resolve) => writer.once('exit', resolve))
  await addToCgroup(hierarchy, path, writer.pid!)
  writer.stdin!.end('\n')
  await ended
}
