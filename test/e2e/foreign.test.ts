import { mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import t from 'tap'
import { run } from '../../src/lib/process.ts'
import { findIoHierarchy } from '../../src/source/cgroup.ts'
import { filesystemOf, readMounts } from '../../src/source/mounts.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import {
  connect,
  doIo,
  loopFilesystem,
  ownCgroup,
  startLibvirtQemu,
  startProxmoxQemu,
  startQemu,
} from './foreign-qemus.ts'
import { homeFor, type Page, says, scrape, serve, until } from './kvmio.ts'

const lack =
  process.geteuid?.() === 0
    ? ((await missingPrograms(['qemu-system-x86_64', 'qemu-img', 'losetup', 'mkfs.ext4'])) ?? false)
    : 'needs root for loop devices and mounts'

// Other tests' qemus are found too, so names are this test's own.
const OWN = `t${process.pid}`
const WEB = `${OWN}-web`
const ID = 100

t.test('the vms that run already', { skip: lack }, async (t) => {
  const loop = await loopFilesystem(t)
  const home = await homeFor(t, { discovery: { qemu: true, qmp: 'sockets/{vm}.sock' } })
  const [images, sockets] = [join(home.directory, 'images'), join(home.directory, 'sockets')]
  for (const directory of [images, sockets]) await mkdir(directory)
  const create = async (path: string, ...args: string[]) => {
    await run('qemu-img', ['create', '-q', ...args, path, '16M'])
    return path
  }
  const base = await create(join(loop.directory, 'base.raw'), '-f', 'raw')
  const top = await create(
    join(loop.directory, 'web.qcow2'),
    '-f',
    'qcow2',
    '-b',
    base,
    '-F',
    'raw',
  )
  const scsi = await create(join(images, 'vm-100-disk-0.raw'), '-f', 'raw')
  const plain = await create(join(images, 'hand,made.img'), '-f', 'raw')
  const medium = await create(join(images, 'setup.iso'), '-f', 'raw')

  const qmp = join(sockets, `${WEB}.sock`)
  const monitor = join(home.directory, 'monitor.sock')
  const web = await startLibvirtQemu(home, { name: WEB, image: top, base, monitor, qmp })
  const itsQmp = join(home.directory, '100.qmp')
  const numbered = await startProxmoxQemu(home, { id: ID, image: scsi, qmp: itsQmp })
  const hand = await startQemu(home, plain, ['-hda', plain, '-cdrom', medium])
  const busySocket = join(sockets, `${OWN}-busy.sock`)
  const firmware = await create(join(images, 'firmware.img'), '-f', 'raw')
  const busy = await startQemu(home, firmware, [
    ...['-name', `${OWN}-busy`, '-qmp', `unix:${busySocket},server=on,wait=off`],
    ...['-drive', `if=none,id=spare,readonly=on,format=raw,file=${firmware.replaceAll(',', ',,')}`],
  ])
  const named = await create(join(images, 'named.img'), '-f', 'raw')
  const plainSocket = join(sockets, `${OWN}-plain.sock`)
  const plainQemu = await startQemu(home, named, [
    ...['-name', `${OWN}-plain`, '-qmp', `unix:${plainSocket},server=on,wait=off`, '-hda', named],
  ])
  await connect(t, busySocket) // somebody else has it, so kvmio gets no greeting
  const [libvirt, proxmox] = [await connect(t, monitor), await connect(t, itsQmp)]
  const hierarchy = await findIoHierarchy('/proc')
  if (hierarchy) await ownCgroup(t, hierarchy, web.pid)

  const serving = await serve(home)
  const begin = await scrape(serving)
  const nameOf = (pid: number) => handName(begin, pid)
  const names = { web: WEB, scsi: String(ID), hand: nameOf(hand.pid), busy: `${OWN}-busy` }
  const plainDrive = { vm: `${OWN}-plain`, drive: 'ide0-hd0' }
  const isOwn = ({ labels }: { labels: Record<string, string> }) => labels.vm?.startsWith(OWN)
  const { mount } = await filesystemOf(images, await readMounts('/proc'))
  const tiers = { web: loop.directory, scsi: mount.mountPoint, hand: mount.mountPoint }

  await t.test('who they are', async (t) => {
    const info = (vm: string) => labelsOf(begin, 'kvmio_vm_info', vm)
    t.match(info(names.web), [{ manager: 'libvirt', accelerator: 'tcg', study: '', slot: '' }])
    t.match(info(names.scsi), [{ manager: 'proxmox' }])
    t.match(info(names.hand), [{ manager: 'other' }])
    for (const vm of Object.values(names)) {
      t.equal(begin.value('kvmio_vm_memory_bytes', { vm }), 64 * 2 ** 20, vm)
      t.ok(begin.value('kvmio_vm_process_resident_memory_bytes', { vm })! > 2 ** 20, vm)
      t.ok(begin.value('kvmio_vm_process_cpu_seconds_total', { vm })! >= 0, vm)
    }
    const answers = await (await fetch(serving.url)).text()
    const shown = `<h3>${WEB}</h3>\n<p class="about">found, libvirt, tcg, 64 MiB</p>`
    t.ok(answers.includes(shown), 'the live page')
  })

  await t.test('their drives, on tiers that are found', async (t) => {
    const drives = (vm: string) => labelsOf(begin, 'kvmio_drive_info', vm)
    const rest = { preallocation: '', lazy_refcounts: '', throttle: '' }
    t.match(drives(names.web), [
      {
        ...{ drive: 'virtio-disk0', tier: tiers.web, bus: 'virtio-blk', format: 'qcow2' },
        ...{ cache: 'none', discard: 'unmap', backing: '1', iothread: 'false', ...rest },
      },
    ])
    t.match(drives(names.scsi), [
      {
        ...{ drive: 'scsi0', tier: tiers.scsi, bus: 'virtio-scsi', format: 'raw' },
        ...{ cache: 'none', aio: 'native', detect_zeroes: 'on', ...rest },
      },
    ])
    const byHand = { drive: 'ide0-hd0', tier: tiers.hand, bus: 'ide', cache: 'writeback' }
    t.match(drives(names.hand), [{ ...byHand, ...rest }], 'and no medium')
    for (const vm of [names.web, names.scsi, names.hand]) t.equal(drives(vm).length, 1, vm)
    t.strictSame(drives(names.busy), [], 'none that it may write to')

    const tier = { tier: loop.directory }
    t.match(
      begin.all('kvmio_tier_info').find(({ labels }) => labels.tier === loop.directory)?.labels,
      { kind: 'directory', filesystem: 'ext4', directory: loop.directory, found: 'true' },
    )
    t.equal(begin.value('kvmio_tier_device_info', { ...tier, device: loop.device }), 1)
    t.equal(begin.value('kvmio_tier_vms', tier), 1)
    t.ok(begin.value('kvmio_tier_space_size_bytes', tier)! > 64 * 2 ** 20)
    t.equal(begin.value('kvmio_tier_target_latency_seconds', tier), undefined)
    t.equal(begin.value('kvmio_tier_capacity_transactions_per_second', tier), undefined)
  })

  await t.test('figures of drives where a free QMP socket is named', async (t) => {
    const page = await until('drive figures', async () => {
      const page = await scrape(serving)
      return page.value('kvmio_vm_up', { vm: names.web }) === 1 && page
    })
    const written = { vm: names.web, drive: 'virtio-disk0' }
    t.equal(page.value('kvmio_drive_writes_completed_total', written), 0)
    const ofPlain = page.value('kvmio_drive_writes_completed_total', plainDrive)
    t.equal(ofPlain, 0, 'of a device without an id by the name that qemu gave its drive')
    t.equal(
      page.all('kvmio_drive_write_latency_seconds_count').filter(isOwn).length,
      0,
      'nothing was armed',
    )
    t.equal(page.value('kvmio_vm_up', { vm: names.busy }), 0, 'named, but somebody else has it')
    for (const vm of [names.scsi, names.hand]) t.equal(page.value('kvmio_vm_up', { vm }), undefined)
    for (const vm of [names.scsi, names.hand, names.busy])
      t.equal(page.value('kvmio_drive_writes_completed_total', { vm }), undefined, vm)
    await says(
      serving,
      `vm ${names.busy}: no drive figures over QMP: vm ${names.busy}: no QMP greeting`,
    )
  })

  await t.test('their images', async (t) => {
    const page = await until('the sizes of images', async () => {
      const page = await scrape(serving)
      const sizes = [names.web, names.scsi].map((vm) =>
        page.value('kvmio_drive_image_virtual_bytes', { vm }),
      )
      return sizes.every((bytes) => bytes === 16 * 2 ** 20) && page
    })
    const image = page.all('kvmio_drive_image_info').find(({ labels }) => labels.vm === names.web)
    t.match(image?.labels, { image: top, device: loop.device, mountpoint: loop.directory })
  })

  await t.test('a drive that is plugged in later', async (t) => {
    const later = await create(join(loop.directory, 'later.raw'), '-f', 'raw')
    const node = { driver: 'file', filename: later, 'node-name': 'later' }
    await proxmox.command('blockdev-add', { ...node, cache: { direct: true } })
    const device = { driver: 'scsi-hd', bus: 'scsihw0.0', lun: 1, drive: 'later', id: 'scsi1' }
    await proxmox.command('device_add', device)
    const found = await until('the drive to be found', async () =>
      labelsOf(await scrape(serving), 'kvmio_drive_info', names.scsi).find(
        ({ drive }) => drive === basename(later),
      ),
    )
    t.match(found, { tier: loop.directory, bus: '', format: '', cache: '' })
    t.equal((await scrape(serving)).value('kvmio_tier_vms', { tier: loop.directory }), 2)
  })

  const noCgroups = hierarchy ? false : 'this host has no I/O cgroups'
  await t.test('what a vm did on the device, by its cgroup', { skip: noCgroups }, async (t) => {
    const on = { vm: names.web, device: loop.device }
    const demand = { vm: names.web, tier: loop.directory, basis: 'device' }
    const page = await until('the demand of a vm that writes', async () => {
      await doIo(libvirt, '/machine/peripheral/virtio-disk0/virtio-backend', 'aio_write 0 256k')
      const page = await scrape(serving)
      return (page.value('kvmio_vm_demand_seconds_total', demand) ?? 0) > 0 && page
    })
    t.ok(page.value('kvmio_vm_device_writes_completed_total', on)! > 0)
    t.ok(page.value('kvmio_vm_device_written_bytes_total', on)! >= 256 * 2 ** 10)
    t.ok(page.value('kvmio_drive_writes_completed_total', { vm: names.web })! > 0)
    t.ok(page.value('kvmio_tier_demand_seconds_total', { tier: loop.directory })! > 0)
    const others = page.all('kvmio_vm_device_writes_completed_total')
    for (const vm of [names.scsi, names.hand])
      t.notOk(
        others.find(({ labels }) => labels.vm === vm),
        `${vm} is in a cgroup with others`,
      )
  })

  await t.test('a name that is there already', async (t) => {
    const second = await startQemu(home, medium, ['-name', WEB, '-cdrom', medium])
    const name = `${WEB}-${second.pid}`
    await until('the second one', async () => {
      return labelsOf(await scrape(serving), 'kvmio_vm_info', name).length === 1
    })
    const page = await scrape(serving)
    t.equal(labelsOf(page, 'kvmio_vm_info', WEB).length, 1, 'the first keeps it')
    t.equal(page.value('kvmio_vm_up', { vm: WEB }), 1)
    t.equal(page.value('kvmio_vm_up', { vm: name }), undefined, 'and its socket')
    await second.end()
  })

  await t.test('what has ended', async (t) => {
    for (const qemu of [web, numbered, hand, busy, plainQemu]) await qemu.end()
    const all = Object.values(names)
    const left = (page: Page) =>
      page.text.split('\n').filter((line) => all.some((vm) => line.includes(`vm="${vm}"`)))
    const page = await until('their series to end', async () => {
      const page = await scrape(serving)
      return left(page).length === 0 && page
    })
    t.notOk(
      page.all('kvmio_tier_info').find(({ labels }) => labels.tier === loop.directory),
      'nor is there the tier that only they were on',
    )
    t.equal(page.value('kvmio_scrape_collector_success', { collector: 'tier' }), 1)
    serving.kill('SIGTERM')
    t.equal((await serving.end()).code, 0)
  })
})

function labelsOf(page: Page, name: string, vm: string) {
  return page.all(name).flatMap(({ labels }) => (labels.vm === vm ? [labels] : []))
}

/** Of a qemu without a name. */
function handName(page: Page, pid: number): string {
  const names = page.all('kvmio_vm_info').map(({ labels }) => labels.vm ?? '')
  return names.find((name) => name.startsWith(`qemu-${pid}-`)) ?? `no name of qemu ${pid}`
}
