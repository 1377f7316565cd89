// Vms that kvmio did not start, on logical volumes and in cgroups as systemd makes them: Proxmox and libvirt on cgroup v2.
import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../../src/lib/process.ts'
import {
  addToCgroup,
  createCgroup,
  findIoHierarchy,
  removeCgroup,
} from '../../src/source/cgroup.ts'
import { connect, doIo, startQemu } from '../e2e/foreign-qemus.ts'
import { homeFor, type Page, scrape, serve } from '../e2e/kvmio.ts'
import { DISK, pageWhere } from './inside.ts'

await run('vgcreate', ['-q', 'lab', DISK.path])
t.teardown(() => run('vgremove', ['-q', '-f', 'lab']))
await run('lvcreate', ['-q', '-y', '-Zn', '-Wn', '-L', '64M', '-n', 'vm-100-disk-0', 'lab'])
await run('lvcreate', ['-q', '-Zn', '--type', 'thin-pool', '-L', '512M', '-n', 'pool', 'lab'])
await run('lvcreate', ['-q', '-y', '-V', '64M', '--thinpool', 'pool', '-n', 'vm-101-disk-0', 'lab'])

const WRITTEN = 65_536
const QEMU_SLICE = 'kvmio-lab-qemu.slice'
const MACHINE_SLICE = 'kvmio-lab-machine.slice'

t.test('volumes and cgroups', async (t) => {
  const hierarchy = (await findIoHierarchy('/proc'))!
  t.match(hierarchy, { version: 2 })
  const home = await homeFor(t, { discovery: { qemu: true } })
  for (const slice of [QEMU_SLICE, MACHINE_SLICE]) t.teardown(() => removeCgroup(hierarchy, slice))
  const drive = (file: string, cache: string) =>
    `file=${file},if=none,id=drive-scsi0,format=raw,cache=${cache}`
  const start = async (name: string, path: string, cache: string) => {
    const socket = join(home.directory, `${name}.qmp`)
    const qemu = await startQemu(home, await realpath(path), [
      ...['-name', name, '-qmp', `unix:${socket},server=on,wait=off`],
      ...['-device', 'virtio-scsi-pci,id=scsihw0', '-drive', drive(path, cache)],
      ...['-device', 'scsi-hd,bus=scsihw0.0,drive=drive-scsi0,id=scsi0'],
    ])
    return { ...qemu, qmp: await connect(t, socket) }
  }
  const linear = await start('linear', '/dev/lab/vm-100-disk-0', 'none')
  const thin = await start('thin', '/dev/lab/vm-101-disk-0', 'writeback')
  const scope = `${QEMU_SLICE}/100.scope`
  await createCgroup(hierarchy, scope)
  await addToCgroup(hierarchy, scope, linear.pid)
  // libvirt has its threads two cgroups below the one that counts, with a hyphen of the name as systemd writes it.
  const machine = `${MACHINE_SLICE}/machine-qemu\\x2d1\\x2dthin.scope`
  await createCgroup(hierarchy, machine)
  const emulator = `${machine}/libvirt/emulator`
  await mkdir(join(hierarchy.root, emulator), { recursive: true })
  await addToCgroup(hierarchy, emulator, thin.pid)

  const serving = await serve(home)
  const begin = await scrape(serving)
  const tierOf = (vm: string) =>
    begin.all('kvmio_drive_info').find(({ labels }) => labels.vm === vm)?.labels.tier
  t.equal(tierOf('linear'), '/dev/lab')
  t.equal(tierOf('thin'), '/dev/lab/pool')
  const info = (tier: string) =>
    begin.all('kvmio_tier_info').find(({ labels }) => labels.tier === tier)?.labels
  t.match(info('/dev/lab'), { kind: 'volumeGroup', target: 'lab', found: 'true' })
  t.match(info('/dev/lab/pool'), { kind: 'volumeGroup', target: 'lab/pool', found: 'true' })
  for (const tier of ['/dev/lab', '/dev/lab/pool']) {
    t.equal(begin.value('kvmio_tier_device_info', { tier, device: DISK.name }), 1, tier)
    t.ok(begin.value('kvmio_tier_space_free_bytes', { tier })! > 0, tier)
    t.equal(begin.value('kvmio_tier_vms', { tier }), 1, tier)
  }

  const written = (page: Page, vm: string) =>
    page.value('kvmio_vm_device_written_bytes_total', { vm, device: DISK.name }) ?? 0
  const demand = (page: Page, vm: string) =>
    page.value('kvmio_vm_demand_seconds_total', { vm, basis: 'device' }) ?? 0
  for (const [vm, { qmp }] of [
    ['linear', linear],
    ['thin', thin],
  ] as const) {
    const load = setInterval(() => void doIo(qmp, 'scsi0', 'aio_write 0 64k').catch(() => {}), 200)
    // Host-cached, it goes to the disk when it is flushed.
    const flush = setInterval(() => void doIo(qmp, 'scsi0', 'flush').catch(() => {}), 1_000)
    const wrote = (page: Page) => demand(page, vm) > 0 && written(page, vm) >= WRITTEN
    const page = await pageWhere(serving, vm, wrote)
    for (const timer of [load, flush]) clearInterval(timer)
    t.ok(wrote(page), `${vm}: ${written(page, vm)} bytes, ${demand(page, vm)} device-seconds`)
  }
  for (const { end } of [linear, thin]) await end()
  await pageWhere(serving, 'ended', (page) => page.all('kvmio_tier_info').length === 0)
  serving.kill('SIGTERM')
  t.equal((await serving.end()).code, 0)
})
