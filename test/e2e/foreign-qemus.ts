// Qemus that a test starts as libvirt, as Proxmox and as a person would, on filesystems of the test's own.
import { mkdir, mkdtemp, open, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { run } from '../../src/lib/process.ts'
import {
  addToCgroup,
  createCgroup,
  type IoHierarchy,
  removeCgroup,
} from '../../src/source/cgroup.ts'
import { readOpenFiles } from '../../src/source/open-files.ts'
import { Qmp } from '../../src/source/qmp.ts'
import { attachLoop, detachLoop } from '../../src/storage/loop.ts'
import { type Home, start, until } from './kvmio.ts'

export interface Qemu {
  pid: number
  end(): Promise<void>
}

/** As a person would; returns when it has this file open, and so has read its arguments. */
export async function startQemu(home: Home, opens: string, args: readonly string[]): Promise<Qemu> {
  const common = ['-display', 'none', '-accel', 'tcg', '-m', '64', '-S']
  const started = start(home, ['qemu-system-x86_64', ...common, ...args])
  await until(`qemu to open ${opens}`, async () => {
    if (started.child.exitCode !== null) throw new Error(`qemu ended:\n${started.said()}`)
    const { files } = await readOpenFiles('/proc', started.pid)
    return files.some(({ path }) => path === opens)
  })
  return {
    pid: started.pid,
    async end() {
      started.kill('SIGTERM')
      await started.end()
    },
  }
}

/** As libvirt 9 writes it (src/qemu/qemu_command.c): JSON, each image a node of its own, the device on the upper one. */
export async function startLibvirtQemu(
  home: Home,
  {
    name,
    image,
    base,
    monitor,
    qmp,
  }: Record<'name' | 'image' | 'base' | 'monitor' | 'qmp', string>,
): Promise<Qemu> {
  const cache = { direct: true, 'no-flush': false }
  const storage = (index: number, filename: string, more = {}) =>
    node({
      ...{ driver: 'file', filename, 'node-name': `libvirt-${index}-storage` },
      ...{ ...more, 'auto-read-only': true, discard: 'unmap' },
    })
  const format = (index: number, more: object) =>
    node({ 'node-name': `libvirt-${index}-format`, ...more, file: `libvirt-${index}-storage` })
  return await startQemu(home, image, [
    ...['-name', `guest=${name},debug-threads=on`, '-machine', 'pc,usb=off,dump-guest-core=off'],
    ...['-nodefaults', '-no-user-config', '-uuid', 'c7a5fdbd-edaf-9455-926a-d65c16db1809'],
    ...['-chardev', `socket,id=charmonitor,path=${monitor},server=on,wait=off`],
    ...['-mon', 'chardev=charmonitor,id=monitor,mode=control'],
    ...['-qmp', `unix:${qmp},server=on,wait=off`], // by <qemu:commandline>
    ...storage(2, base),
    ...format(2, { 'read-only': true, driver: 'raw' }),
    ...storage(1, image, { cache }),
    ...format(1, { 'read-only': false, cache, driver: 'qcow2', backing: 'libvirt-2-format' }),
    '-device',
    JSON.stringify({
      ...{ driver: 'virtio-blk-pci', bus: 'pci.0', addr: '0x4', drive: 'libvirt-1-format' },
      ...{ id: 'virtio-disk0', bootindex: 1, 'write-cache': 'on' },
    }),
  ])
}

function node(options: object): string[] {
  return ['-blockdev', JSON.stringify(options)]
}

/** As Proxmox 8 writes it (PVE::QemuServer::config_to_command). */
export async function startProxmoxQemu(
  home: Home,
  { id, image, qmp }: { id: number; image: string; qmp: string },
): Promise<Qemu> {
  // Proxmox' qemu alone has the option -id. Another takes a folder that is not there as well.
  const [option, value] = ['-L', `x${id}`]
  const qemu = await startQemu(home, image, [
    ...[option, value, '-name', 'vm1,debug-threads=on', '-nodefaults'],
    ...[
      '-chardev',
      `socket,id=qmp,path=${qmp},server=on,wait=off`,
      '-mon',
      'chardev=qmp,mode=control',
    ],
    ...['-device', 'virtio-scsi-pci,id=scsihw0,bus=pci.0,addr=0x5'],
    '-drive',
    `file=${image},if=none,id=drive-scsi0,format=raw,cache=none,aio=native,detect-zeroes=on`,
    '-device',
    'scsi-hd,bus=scsihw0.0,channel=0,scsi-id=0,lun=0,drive=drive-scsi0,id=scsi0,bootindex=100',
    ...['-machine', 'type=pc'],
  ])
  await rewriteArguments(qemu.pid, `${option}\0${value}\0`, `-id\0${id}\0`)
  return qemu
}

/** What /proc/PID/cmdline shows is a piece of the process' own memory, which root may write to (proc(5): arg_start). */
async function rewriteArguments(pid: number, before: string, after: string): Promise<void> {
  if (before.length !== after.length) throw new Error(`${before} is not as long as ${after}`)
  const [stat, line] = await Promise.all([
    readFile(`/proc/${pid}/stat`, 'utf8'),
    readFile(`/proc/${pid}/cmdline`, 'latin1'),
  ])
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const at = Number(fields[48 - 3]) + line.indexOf(before)
  const memory = await open(`/proc/${pid}/mem`, 'r+')
  try {
    await memory.write(Buffer.from(after, 'latin1'), 0, after.length, at)
  } finally {
    await memory.close()
  }
}

/** An ext4 on a loop device, gone when the test has ended. Make it before what uses it. */
export async function loopFilesystem(t: Test): Promise<{ directory: string; device: string }> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'kvmio-foreign-')))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const [file, directory] = [join(folder, 'disk.img'), join(folder, 'images')]
  await run('truncate', ['-s', '96M', file])
  await run('mkfs.ext4', ['-q', '-F', file])
  await mkdir(directory)
  const device = await attachLoop(file, { sysRoot: '/sys' })
  t.teardown(async () => void (await detachLoop('/sys', device)))
  await run('mount', [`/dev/${device}`, directory])
  t.teardown(() => run('umount', [directory]))
  return { directory, device }
}

/** A cgroup as systemd makes it for a vm of libvirt, with this process in it; gone when the test has ended. */
export async function ownCgroup(t: Test, hierarchy: IoHierarchy, pid: number): Promise<string> {
  const slice = `kvmio-test-${process.pid}.slice`
  const path = `${slice}/machine-qemu\\x2d1\\x2dweb.scope`
  t.teardown(() => removeCgroup(hierarchy, slice))
  await createCgroup(hierarchy, path)
  await addToCgroup(hierarchy, path, pid)
  return path
}

/** Has a qemu do I/O on a drive, as its guest would. */
export async function doIo(qmp: Qmp, device: string, command: string): Promise<void> {
  const answer = await qmp.command<string>('human-monitor-command', {
    'command-line': `qemu-io -d ${device} "${command}"`,
  })
  if (answer !== '') throw new Error(`qemu-io ${command}: ${answer}`)
}

export async function connect(t: Test, path: string): Promise<Qmp> {
  const qmp = await until(`qemu to listen at ${path}`, () =>
    Qmp.connect({ name: 'the test', path }).catch(() => undefined),
  )
  t.teardown(() => qmp.close())
  return qmp
}
