import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KvmioError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { type Probe, TRIAL_MS } from './finding.ts'

/** The values of a drive that qemu-img or a filesystem has to have. */
export interface ImageValues {
  formats: readonly string[]
  preallocations: readonly string[]
  caches: readonly string[]
  aios: readonly string[]
  discards: readonly string[]
  detectZeroes: readonly string[]
}

const INSTALL = 'apt install qemu-utils'
const ELSEWHERE = 'another filesystem under the tier, or another value'
const KIB = 1024

/** What images can be, tried with small ones in `directory`; what its filesystem decides is said of it alone. */
export function imageProbes(directory: string, values: ImageValues): Probe[] {
  const create = (subject: string, args: string[], more: Partial<Probe> = {}): Probe => ({
    group: subject.split(' ')[0]!,
    subject,
    remedy: INSTALL,
    trial: () =>
      inFolder(directory, async (folder) => {
        await image([...args, join(folder, 'image'), '1M'])
        return `qemu-img ${['create', ...args].join(' ')}`
      }),
    ...more,
  })
  const qcow2 = (subject: string, options: string) =>
    create(subject, ['-f', 'qcow2', '-o', options], { group: 'qcow2' })
  const here = (group: string, subject: string, remedy: string, args: string[]): Probe => ({
    group,
    subject,
    remedy,
    only: directory,
    trial: () => inFolder(directory, (folder) => imageIo(folder, args)),
  })
  return [
    ...values.formats.map((format) => create(`format ${format}`, ['-f', format])),
    ...values.preallocations.map((preallocation) => {
      const format = preallocation === 'metadata' ? 'qcow2' : 'raw'
      const args = ['-f', format, '-o', `preallocation=${preallocation}`]
      const only = preallocation === 'falloc' ? { only: directory, remedy: ELSEWHERE } : {}
      return create(`preallocation ${preallocation}`, args, only)
    }),
    qcow2('clusterSize', 'cluster_size=128k'),
    qcow2('lazyRefcounts', 'lazy_refcounts=on'),
    qcow2('extendedL2', 'extended_l2=on'),
    backingProbe(directory),
    ...values.caches.map((cache) => here('cache', `cache ${cache}`, ELSEWHERE, ['-t', cache])),
    ...values.aios.map((aio) => aioProbe(aio, directory)),
    ...values.discards.map((discard) => {
      const args = ['-d', discard, '-c', 'discard 0 64k']
      return here('discard', `discard ${discard}`, ELSEWHERE, args)
    }),
    ...values.detectZeroes.map((detect) => {
      const discard = detect === 'unmap' ? 'unmap' : 'ignore'
      const options = [`detect-zeroes=${detect}`, `discard=${discard}`]
      return here('detectZeroes', `detectZeroes ${detect}`, ELSEWHERE, options)
    }),
  ]
}

function backingProbe(directory: string): Probe {
  return {
    group: 'qcow2',
    subject: 'backing',
    remedy: INSTALL,
    trial: () =>
      inFolder(directory, async (folder) => {
        const [base, overlay] = [join(folder, 'base'), join(folder, 'overlay')]
        await image(['-f', 'raw', base, '1M'])
        await image(['-f', 'qcow2', '-b', base, '-F', 'raw', overlay])
        return 'an overlay could be made'
      }),
  }
}

/** io_uring is this kernel's and this qemu's; native wants O_DIRECT of the filesystem too. */
function aioProbe(aio: string, directory: string): Probe {
  const native = aio === 'native'
  return {
    group: 'aio',
    subject: `aio ${aio}`,
    remedy: 'another kernel or qemu, or another aio',
    ...(native ? { only: directory } : {}),
    trial: () =>
      inFolder(directory, (folder) =>
        imageIo(folder, ['-i', aio, ...(native ? ['-t', 'none'] : [])]),
      ),
  }
}

async function image(args: readonly string[]): Promise<void> {
  await run('qemu-img', ['create', '-q', ...args], { timeoutMs: TRIAL_MS })
}

/** Writes 64 KiB of zeros and reads 4 KiB of them; words with = are options of the block node. */
async function imageIo(folder: string, args: readonly string[]): Promise<string> {
  const file = join(folder, 'disk.raw')
  await writeFile(file, '')
  await truncate(file, 1024 * KIB)
  const node = args.filter((word) => /^[\w-]+=/.test(word))
  const flags = args.filter((word) => !node.includes(word))
  const target =
    node.length === 0
      ? ['-f', 'raw', file]
      : ['--image-opts', ['driver=raw', ...node, `file.filename=${file}`].join(',')]
  const commands = ['-c', 'write -z 0 64k', '-c', 'read 0 4096']
  const words = [...flags, ...commands, ...target]
  const output = await run('qemu-io', words, { timeoutMs: TRIAL_MS })
  // Its exit code is 0 for a command that fails.
  const failed = output.split('\n').find((line) => /failed|Invalid|not supported/i.test(line))
  if (failed !== undefined) throw new KvmioError(failed)
  if (!output.includes('read 4096/4096'))
    throw new KvmioError(output.split('\n')[0] || 'nothing was read')
  return `4 KiB were read with it in ${folder.slice(0, folder.lastIndexOf('/'))}`
}

async function inFolder<T>(directory: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(directory, 'kvmio-doctor-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
