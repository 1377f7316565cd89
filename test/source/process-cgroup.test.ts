import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  addToCgroup,
  createCgroup,
  findIoHierarchy,
  removeCgroup,
} from '../../src/source/cgroup.ts'
import { findOwnCgroup, parseProcCgroup } from '../../src/source/process-cgroup.ts'

t.test('/proc/PID/cgroup', async (t) => {
  const hybrid = '9:name=systemd:/a\n7:cpu,blkio:/b c\n0::/d:e\n'
  t.equal(parseProcCgroup(hybrid, 1), 'b c')
  t.equal(parseProcCgroup(hybrid, 2), 'd:e')
  t.equal(parseProcCgroup('0::/\n', 2), '')
  t.equal(parseProcCgroup('0::/\n', 1), undefined)
  const message = '/proc/PID/cgroup:2: expected ID:CONTROLLERS:/PATH, got "x"'
  t.throws(() => parseProcCgroup('1:cpu:/\nx\n', 1), { name: 'ParseError', message })
})

const VM = 'machine.slice/machine-qemu\\x2d1\\x2dweb.scope'

/** A host where process 100 is a qemu, 101 its child, and 200 somebody else. */
async function host(
  t: Test,
  cgroup: string,
  { version, ...files }: { version: 1 | 2; [file: string]: string | number },
) {
  const root = t.testdir({})
  const write = async (path: string, text: string) => {
    await mkdir(join(root, path, '..'), { recursive: true })
    await writeFile(join(root, path), text)
  }
  for (const [pid, ppid] of [
    [100, 1],
    [101, 100],
    [200, 1],
  ] as const) {
    await write(`proc/${pid}/stat`, `${pid} (x) S ${ppid} ${'0 '.repeat(48)}`)
    await write(`proc/${pid}/status`, 'Name: x\nUid: 0 0 0 0\nGid: 0 0 0 0\n')
  }
  await write('proc/100/cgroup', version === 2 ? `0::/${cgroup}\n` : `7:blkio:/${cgroup}\n0::/\n`)
  for (const [path, text] of Object.entries(files)) await write(`cgroup/${path}`, String(text))
  const hierarchy = { version, root: join(root, 'cgroup') } as const
  return await findOwnCgroup(hierarchy, join(root, 'proc'), 100)
}

t.test('the cgroup of a vm', async (t) => {
  const SERVICED = 'blkio.throttle.io_serviced_recursive'
  const v1 = 'machine/qemu-1-my vm.libvirt-qemu'
  for (const [what, expected, cgroup, files] of [
    [
      'libvirt on v2: threads below, where nothing is counted',
      `${VM}/libvirt`,
      `${VM}/libvirt/emulator`,
      {
        version: 2,
        [`${VM}/io.stat`]: '',
        [`${VM}/libvirt/io.stat`]: '',
        [`${VM}/libvirt/cgroup.procs`]: '100\n',
        [`${VM}/libvirt/emulator/cgroup.procs`]: '',
        [`${VM}/libvirt/vcpu0/cgroup.procs`]: '',
      },
    ],
    [
      'Proxmox on v2, with a child',
      'qemu.slice/100.scope',
      'qemu.slice/100.scope',
      {
        version: 2,
        'qemu.slice/100.scope/io.stat': '',
        'qemu.slice/100.scope/cgroup.procs': '100\n101\n',
      },
    ],
    [
      'libvirt on v1',
      v1,
      `${v1}/emulator`,
      {
        version: 1,
        [`${v1}/${SERVICED}`]: '',
        [`${v1}/emulator/${SERVICED}`]: '',
        [`${v1}/emulator/cgroup.procs`]: '100\n',
      },
    ],
    [
      "a login session: the nearest that counts is everyone's",
      undefined,
      'user.slice/session-1.scope',
      {
        version: 2,
        'user.slice/io.stat': '',
        'user.slice/cgroup.procs': '',
        'user.slice/session-1.scope/cgroup.procs': '100\n200\n',
      },
    ],
    [
      'one that holds another process below',
      undefined,
      'a',
      { version: 2, 'a/io.stat': '', 'a/cgroup.procs': '100\n', 'a/b/cgroup.procs': '200\n' },
    ],
    ['one that is gone', undefined, 'a', { version: 2, 'io.stat': '', 'cgroup.procs': '100\n' }],
    [
      'one that it has left',
      undefined,
      'a',
      { version: 2, 'a/io.stat': '', 'a/cgroup.procs': '101\n' },
    ],
    ['the root', undefined, '', { version: 2, 'io.stat': '', 'cgroup.procs': '100\n' }],
  ] as const) {
    await t.test(what, async (t) => t.equal(await host(t, cgroup, files), expected))
  }
})

t.test('for real', async (t) => {
  const hierarchy = await findIoHierarchy('/proc')
  if (process.getuid?.() !== 0 || !hierarchy) return t.plan(0, 'making cgroups needs root')
  const top = `kvmio-test-own-${process.pid}`
  const path = `${top}/machine-qemu\\x2d1\\x2dweb.scope`
  t.teardown(() => removeCgroup(hierarchy, top))
  const [one, two] = [await sleeping(t), await sleeping(t)]
  t.equal(await findOwnCgroup(hierarchy, '/proc', one), undefined, 'in that of this test')
  await createCgroup(hierarchy, path)
  await addToCgroup(hierarchy, path, one)
  t.equal(await findOwnCgroup(hierarchy, '/proc', one), path)
  await addToCgroup(hierarchy, path, two)
  t.equal(await findOwnCgroup(hierarchy, '/proc', one), undefined)
})

async function sleeping(t: Test): Promise<number> {
  const child: ChildProcess = spawn('sleep', ['60'])
  t.teardown(async () => {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  await once(child, 'spawn')
  return child.pid!
}
