import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  hasQemus,
  isQuestion,
  parseArguments,
  readPids,
  readQemuArguments,
} from '../../src/source/qemu-processes.ts'

/** A /proc with these processes: the target of exe, and the arguments. */
async function procWith(
  t: Test,
  processes: Record<number, { exe?: string; argv: readonly string[] }>,
): Promise<string> {
  const root = t.testdir({ self: {}, meminfo: '' })
  for (const [pid, { exe, argv }] of Object.entries(processes)) {
    await mkdir(join(root, pid))
    await writeFile(join(root, pid, 'cmdline'), argv.map((word) => `${word}\0`).join(''))
    if (exe !== undefined) await symlink(exe, join(root, pid, 'exe'))
  }
  return root
}

t.test('which are qemus', async (t) => {
  const argv = ['/usr/bin/qemu-system-x86_64', '-name', 'a b', '']
  const root = await procWith(t, {
    1: { exe: '/usr/lib/systemd/systemd', argv: ['/sbin/init'] },
    2: { argv: [] },
    10: { exe: '/usr/bin/qemu-system-x86_64', argv },
    11: { exe: '/usr/bin/qemu-system-aarch64 (deleted)', argv: ['/usr/bin/kvm', '-id', '100'] },
    12: { exe: '/usr/libexec/qemu-kvm', argv: ['/usr/libexec/qemu-kvm'] },
    13: { argv: ['kvm', '-m', '1G'] },
    14: { exe: '/nix/store/x/bin/.qemu-system-x86_64-wrapped', argv: ['qemu-system-x86_64'] },
    15: { exe: '/usr/bin/bash', argv: ['/bin/sh', '/usr/bin/kvm'] },
    16: { exe: '/usr/bin/vim', argv: ['qemu-system-x86_64'] },
    17: { exe: '/usr/bin/qemu-img', argv: ['qemu-img', 'create'] },
    18: { exe: '/usr/bin/qemu-storage-daemon', argv: ['qemu-storage-daemon'] },
    19: { exe: '/usr/bin/qemu-system-x86_64', argv: ['qemu-system-x86_64', '-device', 'help'] },
  })
  const found: number[] = []
  for (const pid of await readPids(root)) if (await readQemuArguments(root, pid)) found.push(pid)
  t.strictSame(
    found.sort((a, b) => a - b),
    [10, 11, 12, 13, 14, 19],
  )
  t.strictSame(await readQemuArguments(root, 10), argv)
  t.equal(await readQemuArguments(root, 99), undefined, 'one that has gone')
  t.equal(await hasQemus(root), true)
})

t.test('questions', async (t) => {
  for (const args of [
    ['-version'],
    ['--help'],
    ['-device', 'virtio-blk-pci,help'].slice(0, 1).concat('help'),
    ['-machine', 'none', '-qmp', 'stdio'],
    ['-M', 'type=none,accel=kvm'],
    ['-cpu', '?'],
  ]) {
    t.ok(isQuestion(['qemu-system-x86_64', ...args]), args.join(' '))
  }
  t.notOk(isQuestion(['qemu-system-x86_64', '-name', 'none', '-machine', 'pc']))
})

t.test('a host without a vm', async (t) => {
  const root = await procWith(t, {
    1: { exe: '/usr/lib/systemd/systemd', argv: ['/sbin/init'] },
    19: { exe: '/usr/bin/qemu-system-x86_64', argv: ['qemu-system-x86_64', '-device', 'help'] },
  })
  t.equal(await hasQemus(root), false, 'one that was asked something is none')
})

t.test('arguments', async (t) => {
  t.strictSame(parseArguments(''), [])
  t.strictSame(parseArguments('a\0'), ['a'])
  t.strictSame(parseArguments('a\0\0b c\0'), ['a', '', 'b c'])
})

t.test('a process of this host that is none', async (t) => {
  const child = spawn('sleep', ['60'])
  t.teardown(async () => {
    child.kill()
    await once(child, 'exit')
  })
  await once(child, 'spawn')
  t.ok((await readPids('/proc')).includes(child.pid!))
  t.equal(await readQemuArguments('/proc', child.pid!), undefined)
})
