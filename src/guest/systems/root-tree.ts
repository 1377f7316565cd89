// A distribution's root filesystem as a tree of files: https://wiki.debian.org/Debootstrap
import {
  chmod,
  glob,
  link,
  mkdir,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf, UnavailableError } from '../../lib/errors.ts'
import { ProcessError, run } from '../../lib/process.ts'
import type { Mirror } from './mirror.ts'
import { scriptFile } from './scripts.ts'

/** What a root filesystem is made of: all that its content depends on, beside the mirror. */
export interface RootRecipe {
  /** The packages beside the distribution's essential ones. */
  packages: readonly string[]
  /** Paths in it, as patterns, that dpkg does not unpack: `/usr/share/doc/*`. */
  excludes: readonly string[]
  /** What is there before any package is configured. */
  before: readonly RootFile[]
  /** What is put in at the end, over what the packages brought. */
  after: readonly RootFile[]
}

/** A file, or a symbolic link. */
export type RootFile = { path: string } & (
  | { content: string | Uint8Array; mode?: number }
  | { target: string }
)

export interface RootTreeOptions extends RootRecipe {
  /** The tree's folder; made. */
  into: string
  /** Keeps the .deb files from one build to the next. */
  debs: string
  mirror: Mirror
  signal?: AbortSignal
}

const UNPACK_MS = 900_000 // over a slow line most of it is the download
const CONFIGURE_MS = 900_000
const ARCHIVES = 'var/cache/apt/archives'
const LOG_LINES = 5
// Nothing of the tree is worth an fsync before it is whole, and a file that is there already is meant.
const DPKG = ['force-unsafe-io', 'force-confold']
// What only the build has needed.
const SPENT = ['var/lib/apt/lists/*', 'var/cache/apt/*', 'var/log/*', 'etc/dpkg/dpkg.cfg.d/kvmio']

/**
 * Unpacks and configures the packages. debootstrap's mounts of /proc and /sys stay in a namespace of their own; its
 * processes end with this one, even by SIGKILL.
 */
export async function makeRootTree(options: RootTreeOptions): Promise<void> {
  const { into, debs, packages, excludes, before, after, mirror, signal } = options
  await mkdir(join(into, ARCHIVES), { recursive: true })
  await mkdir(debs, { recursive: true })
  await linkNew(debs, join(into, ARCHIVES))
  const args = ['--foreign', '--variant=minbase', `--components=${mirror.components.join(',')}`]
  if (packages.length > 0) args.push(`--include=${packages.join(',')}`)
  await debootstrap('debootstrap', [...args, mirror.suite, into, mirror.url], options, UNPACK_MS)
  await linkNew(join(into, ARCHIVES), debs)

  const dpkg = [...DPKG, ...excludes.map((pattern) => `path-exclude=${pattern}`)].join('\n')
  await putFiles(into, [{ path: 'etc/dpkg/dpkg.cfg.d/kvmio', content: `${dpkg}\n` }, ...before])
  const second = [into, '/debootstrap/debootstrap', '--second-stage']
  await debootstrap('chroot', second, options, CONFIGURE_MS)
  signal?.throwIfAborted()
  // The essential packages were unpacked before dpkg knew what to leave out.
  const excluded = excludes.filter((pattern) => pattern.startsWith('/'))
  for (const pattern of [...SPENT, ...excluded.map((pattern) => pattern.slice(1))]) {
    for await (const path of glob(pattern, { cwd: into })) {
      await rm(join(into, path), { recursive: true, force: true })
    }
  }
  await putFiles(into, after)
}

/** Only fetches the packages: the folders that hold the .deb files, and the mirror's index of them. */
export async function fetchPackages(
  options: Pick<RootTreeOptions, 'packages' | 'into' | 'debs' | 'mirror' | 'signal'>,
): Promise<{ archives: string; lists: string }> {
  const { packages, into, debs, mirror } = options
  const archives = join(into, ARCHIVES)
  await mkdir(archives, { recursive: true })
  await mkdir(debs, { recursive: true })
  // Those of other systems too would be taken for this one's.
  const args = ['--download-only', '--variant=minbase', `--components=${mirror.components.join()}`]
  if (packages.length > 0) args.push(`--include=${packages.join(',')}`)
  await debootstrap('debootstrap', [...args, mirror.suite, into, mirror.url], options, UNPACK_MS)
  await linkNew(archives, debs)
  return { archives, lists: join(into, 'var/lib/apt/lists') }
}

async function debootstrap(
  program: string,
  args: readonly string[],
  { into, mirror, signal }: Pick<RootTreeOptions, 'into' | 'mirror' | 'signal'>,
  timeoutMs: number,
): Promise<void> {
  // Not private: a mount that this host takes down meanwhile would live on in here, and its loop device be in use. Where
  // the root mount is private itself nothing comes through, and alone.sh sees to it.
  const alone = ['unshare', '--mount', '--propagation', 'slave', '--pid', '--fork']
  const dying = ['--pdeathsig', 'KILL', ...alone, '--kill-child', '--mount-proc']
  const word = ['sh', scriptFile('alone'), program]
  try {
    // unshare blocks SIGTERM; its death by SIGKILL takes the namespace's processes along.
    const options = { name: 'debootstrap', timeoutMs, signal, killSignal: 'SIGKILL' } as const
    await run('setpriv', [...dying, ...word, ...args], options)
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof ProcessError)) throw error
    const log = await lastLines(join(into, 'debootstrap/debootstrap.log'))
    throw new UnavailableError(
      `a root filesystem could not be built: ${error.message}${log}\n` +
        `It takes root, the package debootstrap (apt-get install debootstrap), and the mirror ${mirror.url} with ${mirror.suite}`,
      { cause: error },
    )
  }
}

async function putFiles(root: string, files: readonly RootFile[]): Promise<void> {
  for (const file of files) {
    const path = join(root, file.path)
    await mkdir(dirname(path), { recursive: true })
    await rm(path, { force: true })
    if ('target' in file) {
      await symlink(file.target, path)
    } else {
      await writeFile(path, file.content)
      await chmod(path, file.mode ?? 0o644)
    }
  }
}

/** Gives each .deb file of one folder to another that lacks it. The cache and the tree are on one filesystem. */
async function linkNew(from: string, to: string): Promise<void> {
  for (const file of await readdir(from)) {
    if (!file.endsWith('.deb')) continue
    await link(join(from, file), join(to, file)).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
  }
}

async function lastLines(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '')
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  return lines
    .slice(-LOG_LINES)
    .map((line) => `\n  ${line}`)
    .join('')
}
