import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf } from '../../src/lib/errors.ts'
import { startProcess } from '../../src/lib/process.ts'
import { fetchTree } from '../tools.ts'
import { LIBVIRT_PREFIX } from './names.ts'
import { createNamespace, type Namespace } from './namespace.ts'

const PACKAGES = [
  ...['libvirt-daemon', 'libvirt-daemon-driver-qemu', 'libvirt-clients', 'libvirt0'],
  ...['libyajl2', 'libparted2', 'libpcap0.8', 'dmidecode', 'prometheus-libvirt-exporter'],
]
const START_MS = 60_000 // it asks each qemu binary for what it can do
const POLL_MS = 100

// Without user and group of its own, and with no cgroups: with them a guest takes 40 s to make instead of 0.3 s.
const QEMU_CONF = `user = "root"
group = "root"
dynamic_ownership = 0
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "file"
`

/** A libvirtd of this benchmark's own, with the domains that it was told to make. */
export interface Libvirtd extends AsyncDisposable {
  pid: number
  namespace: Namespace
  /** Makes domains until there are so many, each paused before its first instruction. */
  grow(count: number): Promise<void>
  /** Kills its domains; it takes note of that itself. */
  endAll(): Promise<void>
}

/** libvirtd from Debian's packages, unpacked and in a mount namespace: nothing of it is installed. */
export async function startLibvirtd(directory: string, signal: AbortSignal): Promise<Libvirtd> {
  const tree = await fetchTree('libvirt', PACKAGES)
  const namespace = await createNamespace(tree)
  const { enter } = namespace
  try {
    await configure(namespace)
    const daemon = startProcess({ file: enter.file, args: [...enter.args, 'libvirtd'] })
    const libvirtd = controlled(daemon.pid, namespace, directory, signal)
    const close = async () => {
      await libvirtd.endAll()
      await daemon.stop()
      await namespace[Symbol.asyncDispose]()
    }
    try {
      await answering(namespace)
    } catch (error) {
      await close()
      throw error
    }
    return { ...libvirtd, [Symbol.asyncDispose]: close }
  } catch (error) {
    await namespace[Symbol.asyncDispose]()
    throw error
  }
}

function controlled(pid: number, namespace: Namespace, directory: string, signal: AbortSignal) {
  let there = 0
  const create = async (index: number) => {
    const name = `${LIBVIRT_PREFIX}${index}`
    const image = join(directory, `${name}.raw`)
    await writeFile(image, '')
    await truncate(image, 64 * 2 ** 20)
    const file = join(directory, `${name}.xml`)
    await writeFile(file, domainXml(name, image))
    await namespace.run('virsh', ['--quiet', 'create', '--paused', file], 120_000)
  }
  const grow = async (count: number) => {
    while (there < count) {
      signal.throwIfAborted()
      const batch = Array.from({ length: Math.min(2, count - there) }, (_, index) => there + index)
      await Promise.all(batch.map(create))
      there += batch.length
    }
  }
  const endAll = async () => {
    for (const pid of await domainPids(namespace)) kill(pid)
    while ((await domainPids(namespace)).some(isAlive)) await sleep(POLL_MS)
    there = 0
  }
  return { pid, namespace, grow, endAll }
}

async function configure(namespace: Namespace): Promise<void> {
  const at = (path: string) => join(namespace.root, path)
  const folders = ['/etc', '/var/lib', '/var/log', '/var/cache', '/run'].map(
    (above) => `${above}/libvirt`,
  )
  await namespace.run('mkdir', ['-p', ...folders])
  await writeFile(at('etc/libvirt/qemu.conf'), QEMU_CONF)
  await writeFile(at('etc/libvirt/libvirtd.conf'), 'auth_unix_rw = "none"\n')
  // Debian's libvirtd looks for its user before it reads which one it is to be.
  const line = 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n'
  await writeFile(at('etc/passwd'), line, { flag: 'a' })
  await writeFile(at('etc/group'), 'libvirt-qemu:x:64055:\n', { flag: 'a' })
}

async function answering(namespace: Namespace): Promise<void> {
  const deadline = Date.now() + START_MS
  for (;;) {
    try {
      await namespace.run('virsh', ['--quiet', '-c', 'qemu:///system', 'version'], START_MS)
      return
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
    await sleep(POLL_MS)
  }
}

/** As its pid files have them. */
async function domainPids({ root }: Namespace): Promise<number[]> {
  const directory = join(root, 'run/libvirt/qemu')
  const names = await readdir(directory).catch(() => [])
  const files = names.filter((name) => name.startsWith(LIBVIRT_PREFIX) && name.endsWith('.pid'))
  const texts = files.map((name) => readFile(join(directory, name), 'utf8').catch(() => ''))
  return (await Promise.all(texts)).map(Number).filter((pid) => pid > 0)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM')
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** One disk and no other devices, as the guests of kvmio that stand beside it. */
function domainXml(name: string, image: string): string {
  return `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source file='${image}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
`
}
