// The built-in guest system: a distribution's kernel, and an initramfs of busybox, drivers and init.sh.
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, KvmioError, UnavailableError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { ProcessError } from '../../lib/process.ts'
import { fetchPackages, unpackPackages } from './appliance-packages.ts'
import { buildInitramfs } from './initramfs.ts'
import { unpackKernel } from './kernel-image.ts'
import { DRIVERS } from './kernel-modules.ts'
import { readScript } from './scripts.ts'
import { assertSpace, makeWorkDirectory, moveIn } from './work-directory.ts'

/** Counts up when what is built from the same packages and script changes. */
const BUILDER = 1
/** Debian 12's kernel package unpacked is 400 MB, and 70 MB packed. */
const NEEDED_BYTES = 768 * 2 ** 20
const DOWNLOADS = 'downloads'
const KERNEL = 'kernel'
const INITRD = 'initrd.img'
const VERSION = 'version'

export interface ApplianceOptions {
  /** Keeps the packages, and each appliance that was made of them. */
  cacheDir: string
  log: Log
  signal?: AbortSignal
}

/** By the path in the initramfs. */
type Scripts = Readonly<Record<string, string>>

export interface Appliance {
  /** Path of the kernel image. */
  kernel: string
  /** Path of the initramfs. */
  initrd: string
  /** The kernel's release. */
  version: string
  /** Seconds that it took to build; 0 when it was there. */
  builtIn: number
}

/** Gives the appliance, and builds it first where it is not in the cache or its scripts are others. */
export async function buildAppliance(options: ApplianceOptions): Promise<Appliance> {
  const { cacheDir, log, signal } = options
  const start = performance.now()
  const scripts = await applianceScripts()
  const packages = await listPackages(join(cacheDir, DOWNLOADS))
  const cached = packages.length > 0 && (await readCached(directoryFor(options, packages, scripts)))
  if (cached) return { ...cached, builtIn: 0 }

  log.info({ cacheDir }, 'building the appliance, the system of the guests: under a minute, once')
  const work = await makeWorkDirectory(cacheDir)
  try {
    const directory = await build(options, scripts, work)
    const built = await readCached(directory)
    if (!built) throw new KvmioError(`${directory}: was removed while the appliance was built`)
    return { ...built, builtIn: (performance.now() - start) / 1000 }
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof ProcessError)) throw error
    throw new UnavailableError(
      `the appliance could not be built: ${error.message}\n` +
        'It takes the programs apt-get, dpkg, cpio and xz (packages apt, dpkg, cpio and xz-utils)',
      { cause: error },
    )
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function applianceScripts(): Promise<Scripts> {
  const phase = await readScript('kvmio-phase')
  return {
    init: await readScript('init'),
    'workload.sh': await readScript('workload'),
    'install.sh': await readScript('install'),
    'bin/kvmio-phase': phase.replace('#!/bin/sh', '#!/bin/busybox sh'), // the only shell there
  }
}

async function build(options: ApplianceOptions, scripts: Scripts, work: string): Promise<string> {
  const { cacheDir, log, signal } = options
  await assertSpace(cacheDir, 'the appliance', NEEDED_BYTES)
  const downloads = join(cacheDir, DOWNLOADS)
  if ((await listPackages(downloads)).length === 0) {
    const fetched = join(work, DOWNLOADS)
    await fetchPackages(fetched, downloads, signal)
    await moveIn(fetched, downloads)
  }
  const packages = await listPackages(downloads)
  const system = await unpackPackages({ downloads, packages, into: join(work, 'system'), signal })

  const made = join(work, 'appliance')
  await mkdir(made)
  await buildInitramfs({ system, scripts, work, output: join(made, INITRD), log, signal })
  const kernel = await unpackKernel(system.kernel, work, signal)
  await writeFile(join(made, KERNEL), kernel ?? (await readFile(system.kernel)))
  await writeFile(join(made, VERSION), `${system.release}\n`)
  const directory = directoryFor(options, packages, scripts)
  await moveIn(made, directory)
  return directory
}

async function readCached(directory: string): Promise<Omit<Appliance, 'builtIn'> | undefined> {
  try {
    const version = (await readFile(join(directory, VERSION), 'utf8')).trim()
    return { kernel: join(directory, KERNEL), initrd: join(directory, INITRD), version }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** One directory for each content; it appears whole, by rename, or not at all. */
function directoryFor(
  { cacheDir }: ApplianceOptions,
  packages: readonly string[],
  scripts: Scripts,
): string {
  const key = createHash('sha256')
    .update(JSON.stringify([BUILDER, DRIVERS, packages, scripts]))
    .digest('hex')
    .slice(0, 16)
  return join(cacheDir, `appliance-${key}`)
}

async function listPackages(downloads: string): Promise<string[]> {
  try {
    return (await readdir(downloads)).filter((file) => file.endsWith('.deb')).sort()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}
