// The distribution's packages that the appliance is made of: fetched and unpacked, never installed.
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, KvmioError, messageOf, UnavailableError } from '../../lib/errors.ts'
import { ProcessError, run } from '../../lib/process.ts'

const FETCH_MS = 300_000
const UNPACK_MS = 120_000

// The meta package that depends on the kernel in use, and which of its dependencies are needed. Only Debian 12 was
// tried; Ubuntu's is from its package lists. Debian's cloud kernel lacks ahci and sym53c8xx.
const KERNELS = [
  { meta: 'linux-image-amd64', needed: /^linux-image-\d[^-]*(-\d+)?-amd64$/ },
  { meta: 'linux-image-generic', needed: /^linux-(image|modules|modules-extra)-\d.*-generic$/ },
]

/** The parts of an unpacked system, as paths. */
export interface UnpackedSystem {
  /** The kernel's release, which names its folder of modules. */
  release: string
  kernel: string
  /** The folder that holds `kernel/` and modules.builtin. */
  modules: string
  busybox: string
}

/** Fetches the packages into a new folder; `keptIn` is where they will be, for the error's remedy. */
export async function fetchPackages(
  into: string,
  keptIn: string,
  signal?: AbortSignal,
): Promise<void> {
  await mkdir(into)
  try {
    await fetchOnce(into, signal).catch(async (error) => {
      if (!isRoot() || !(error instanceof ProcessError)) throw error
      // The lists are empty, as in a fresh container, or older than what the mirror has.
      await run('apt-get', ['update'], { name: 'apt-get update', timeoutMs: FETCH_MS, signal })
      await fetchOnce(into, signal)
    })
  } catch (error) {
    signal?.throwIfAborted()
    throw new UnavailableError(
      `the appliance's packages could not be fetched: ${messageOf(error)}\n` +
        "The appliance is made from Debian's or Ubuntu's kernel: let this host reach its package mirror, " +
        `or put the .deb files of busybox-static and the kernel into ${keptIn}`,
      { cause: error },
    )
  }
}

/** Unpacks packages into a new folder. */
export async function unpackPackages(options: {
  downloads: string
  packages: readonly string[]
  into: string
  signal?: AbortSignal
}): Promise<UnpackedSystem> {
  const { downloads, packages, into, signal } = options
  try {
    for (const file of packages) {
      const args = ['-x', join(downloads, file), into]
      await run('dpkg', args, { name: 'dpkg -x', timeoutMs: UNPACK_MS, signal })
    }
    return await findParts(into)
  } catch (error) {
    signal?.throwIfAborted()
    throw new UnavailableError(
      `the appliance's packages could not be unpacked: ${messageOf(error)}\n` +
        `Remove ${downloads} to have them fetched again`,
      { cause: error },
    )
  }
}

async function fetchOnce(into: string, signal?: AbortSignal): Promise<void> {
  const kernel = await kernelPackages(signal)
  // As root, apt-get would fetch as the user _apt, who may not write here.
  const asRoot = isRoot() ? ['-o', 'APT::Sandbox::User=root'] : []
  const args = [...asRoot, 'download', 'busybox-static', ...kernel]
  await run('apt-get', args, {
    name: 'apt-get download',
    cwd: into,
    timeoutMs: FETCH_MS,
    signal,
  })
}

async function kernelPackages(signal?: AbortSignal): Promise<string[]> {
  let failure: unknown
  for (const { meta, needed } of KERNELS) {
    try {
      const args = ['depends', '--recurse', '--important', meta]
      const depends = await run('apt-cache', args, { name: `apt-cache depends ${meta}`, signal })
      const found = parseDepends(depends).filter((name) => needed.test(name))
      if (found.length > 0) return found
      failure ??= new ProcessError(`apt-cache: ${meta} depends on no kernel`)
    } catch (error) {
      signal?.throwIfAborted()
      failure ??= error
    }
  }
  throw failure
}

function parseDepends(text: string): string[] {
  const names = Array.from(text.matchAll(/^\s*\|?Depends: ([^\s<>]+)$/gm), ([, name]) => name ?? '')
  return [...new Set(names)].sort()
}

/** /lib and /bin are links to /usr/lib and /usr/bin on an installed system; packages may hold either. */
async function findParts(root: string): Promise<UnpackedSystem> {
  for (const usr of ['', 'usr']) {
    const [release] = await list(join(root, usr, 'lib/modules'))
    if (release === undefined) continue
    const busybox = (await list(join(root, 'bin'))).includes('busybox') ? 'bin' : 'usr/bin'
    return {
      release,
      kernel: join(root, `boot/vmlinuz-${release}`),
      modules: join(root, usr, 'lib/modules', release),
      busybox: join(root, busybox, 'busybox'),
    }
  }
  throw new KvmioError('expected a kernel with its modules among them, found none')
}

async function list(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}
