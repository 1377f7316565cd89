// The lab host: a qemu guest that plays the host of kvmio.
import { existsSync } from 'node:fs'
import { mkdir, readFile, realpath, rm } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { messageOf } from '../../src/lib/errors.ts'
import { run, startProcess } from '../../src/lib/process.ts'
import { initrdWith } from '../e2e/kvmio.ts'
import type { LabImage } from './image.ts'
import { silence } from './silence.ts'

export interface LabRun {
  image: LabImage
  repository: string
  /** Of what it runs inside, from the repository's root. */
  program: string
  /** What the program is told: no spaces, quotes or patterns of a shell's that match a file. */
  words: readonly string[]
  /** An image of a disk that is there again the next time, made when it is missing. */
  kept?: string
  /** Where its output goes. */
  directory: string
  limitMs: number
  signal: AbortSignal
}

/** What the lab host's second disk serves. */
export const DISK_TRANSACTIONS_PER_SECOND = 100

/** Of the disk that is kept; sparse. */
const KEPT_SIZE = '24G'

// With svm the guests of the lab host run on KVM, in qemu's emulation of AMD's virtualisation: in a third of the time that
// an emulator in the emulator takes. Not `max`: glibc would take AVX2's string functions, which are slow to emulate.
const CPU = 'qemu64,+rdrand,+svm,+npt,+ssse3,+sse4.1,+sse4.2,+popcnt'
const OUTPUT = 'output.tar'
const TOLD = 'tap.log'
// What goes on says so every 20 seconds; both processors of a host that hung were busy, and nothing came any more.
const SILENCE_MS = 600_000
const INIT = new URL('./host/init.sh', import.meta.url)

/**
 * Boots a fresh lab host and runs one program in it to its end. What it wrote to its disks is gone afterwards, unless
 * it is on the one that is kept; its console, the program's words and what that put into LAB_OUTPUT are in the directory.
 */
export async function runInLab(lab: LabRun): Promise<void> {
  const { directory, limitMs, signal } = lab
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  const disks = { root: join(directory, 'root.qcow2'), disk: join(directory, 'disk.img') }
  const nvme = join(directory, 'nvme.img')
  const output = join(directory, OUTPUT)
  const initrd = join(directory, 'initrd.img')
  try {
    await initrdWith(initrd, lab.image.initrd, await readFile(INIT, 'utf8'))
    const overlay = ['-b', lab.image.disk, '-F', 'raw', disks.root]
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...overlay])
    await run('truncate', ['-s', '1G', disks.disk])
    await run('truncate', ['-s', '256M', nvme])
    await run('truncate', ['-s', '64M', output])
    if (lab.kept !== undefined && !existsSync(lab.kept))
      await run('truncate', ['-s', KEPT_SIZE, lab.kept])
    const args = labArgv({ ...lab, initrd }, await sharesOf(lab.repository), disks, nvme)
    await runQemu(args, join(directory, TOLD), limitMs, signal)
    await run('tar', ['-C', directory, '-xf', output]).catch((error) => {
      throw new Error(`the lab host gave no output: ${messageOf(error)}`)
    })
  } finally {
    for (const file of [...Object.values(disks), nvme, output, initrd])
      await rm(file, { force: true })
  }
}

/** Until it ends, or is silent for so long that its kernel hangs: then it is ended like one that died. */
async function runQemu(
  args: string[],
  told: string,
  limitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)])
  const { promise: late, reject } = Promise.withResolvers<never>()
  limit.addEventListener('abort', () => {
    reject(signal.aborted ? signal.reason : new Error(`did not end in ${limitMs / 1000} s`))
  })
  const ended = new AbortController()
  const qemu = startProcess({ name: 'lab host', file: 'qemu-system-x86_64', args })
  try {
    await Promise.race([qemu.done, late, silence(told, SILENCE_MS, ended.signal)])
  } finally {
    ended.abort()
    await qemu.stop().catch(() => {}) // how it failed has been said
  }
}

/** The folders that the program needs: linked node_modules are outside of the repository. */
async function sharesOf(repository: string): Promise<string[]> {
  const modules = await realpath(join(repository, 'node_modules'))
  return modules.startsWith(repository + sep) ? [repository] : [repository, modules]
}

function labArgv(
  { image, initrd, repository, program, words, kept, directory }: LabRun & { initrd: string },
  shares: readonly string[],
  disks: { root: string; disk: string },
  nvme: string,
): string[] {
  const append = [
    ...['console=ttyS0', 'quiet', 'panic=-1', 'tsc=unstable', 'no_timer_check'],
    ...['cryptomgr.notests', 'intel_iommu=on', 'iommu=pt'],
    `lab.shares=${shares.join(',')}`,
    `lab.script=${join(import.meta.dirname, 'host/lab.sh')}`,
    `lab.node=${join(repository, 'node_modules/.bin/node')}`,
    `lab.program=${join(repository, program)}`,
    ...words.map((word) => `lab.word=${word}`),
  ]
  return [
    ['-name', 'kvmio-lab', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ['-machine', 'q35,kernel-irqchip=split', '-accel', 'tcg,thread=multi', '-cpu', CPU],
    ['-device', 'intel-iommu,intremap=on,caching-mode=on'],
    ['-smp', '2', '-m', '3072'],
    ['-kernel', image.kernel, '-initrd', initrd, '-append', append.join(' ')],
    ['-serial', `file:${join(directory, 'console.log')}`],
    ['-serial', `file:${join(directory, TOLD)}`],
    drive('root', disks.root, 'qcow2'),
    drive('disk', disks.disk, 'raw', `,throttling.iops-total=${DISK_TRANSACTIONS_PER_SECOND}`),
    drive('output', join(directory, OUTPUT), 'raw'),
    ...(kept === undefined ? [] : [drive('kept', kept, 'raw', ',discard=unmap')]),
    // A function of its own in its IOMMU group: alone behind a root port.
    ['-device', 'pcie-root-port,id=nvme-port,chassis=1'],
    ['-drive', `if=none,id=nvme,file=${nvme},format=raw,cache=unsafe`],
    ['-device', 'nvme,bus=nvme-port,drive=nvme,serial=spare'],
    shares.flatMap((place, index) => [
      '-virtfs',
      `local,path=${place},mount_tag=share${index},security_model=none,readonly=on,multidevs=remap`,
    ]),
  ].flat()
}

function drive(name: string, file: string, format: string, more = ''): string[] {
  return [
    '-drive',
    `if=none,id=${name},file=${file},format=${format},cache=unsafe${more}`,
    '-device',
    `virtio-blk-pci,drive=${name},serial=${name}`,
  ]
}
