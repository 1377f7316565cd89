// The drive that the built-in installer installs from: a root filesystem with the tools of an installer, and a package
// repository as debootstrap reads it (https://wiki.debian.org/DebianRepository/Format). Made once, and only read.
import { createHash } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PackageSet } from '../../config/schema.ts'
import { KvmioError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Mirror } from './mirror.ts'
import { buildFromTree, packExt4 } from './root-filesystem.ts'
import { fetchPackages, type RootRecipe } from './root-tree.ts'
import { readScript } from './scripts.ts'

export interface PackageDriveOptions {
  /** Keeps the packages, and each drive that was made of them. */
  cacheDir: string
  packages: PackageSet
  log: Log
  signal?: AbortSignal
}

/** Of the drive's image; most of it is holes. */
const SIZE_BYTES = 2 ** 30
const LABEL = 'kvmio-packages'
const TOOLS = ['debootstrap', 'e2fsprogs', 'fdisk']

/** The least that dpkg unpacks and configures into something that runs a shell: for tests. */
const MINIMAL = [
  ...['gcc-12-base', 'libgcc-s1', 'libc6', 'libcrypt1', 'base-files', 'base-passwd', 'debianutils'],
  ...['libattr1', 'libacl1', 'libgmp10', 'libpcre2-8-0', 'libselinux1', 'coreutils', 'dash', 'sed'],
  ...['libdebconfclient0', 'grep', 'libc-bin'],
]

const EXCLUDES = ['doc', 'man', 'locale', 'info'].map((folder) => `/usr/share/${folder}/*`)

/** Gives the drive's image, and builds it first where it is not in the cache. */
export async function buildPackageDrive(options: PackageDriveOptions): Promise<string> {
  const { packages, signal } = options
  const include = typeof packages === 'string' ? [] : [...packages].sort()
  const script = await readScript('install')
  const recipe = (): RootRecipe => ({
    packages: TOOLS,
    excludes: EXCLUDES,
    before: [],
    after: [
      { path: 'install', content: script, mode: 0o755 },
      { path: 'minimal', content: `${MINIMAL.join(' ')}\n` },
      { path: 'target/.keep', content: '' },
    ],
  })
  const make = async (tree: string, made: string, work: string, mirror: Mirror): Promise<void> => {
    const fetched = await fetchPackages({
      packages: include,
      into: join(work, 'fetched'),
      debs: join(options.cacheDir, 'debs'),
      mirror,
      signal,
    })
    await writeRepository(fetched, join(tree, 'packages'), mirror.suite)
    await writeFile(join(tree, 'suite'), `${mirror.suite}\n`)
    const image = join(made, 'root.img')
    await packExt4({ tree, image, sizeBytes: SIZE_BYTES, label: LABEL, signal })
  }
  const named = { ...options, name: 'packages', recipe }
  const { directory } = await buildFromTree(named, [SIZE_BYTES, include], make)
  return join(directory, 'root.img')
}

/** A repository of one component with the fetched packages; what their index says of each is the mirror's own. */
async function writeRepository(
  { archives, lists }: { archives: string; lists: string },
  into: string,
  suite: string,
): Promise<void> {
  const debs = (await readdir(archives)).filter((file) => file.endsWith('.deb'))
  await mkdir(join(into, 'pool'), { recursive: true })
  for (const deb of debs) await copyFile(join(archives, deb), join(into, 'pool', deb))

  const indices = (await readdir(lists)).filter((file) => file.endsWith('_Packages'))
  const texts = await Promise.all(indices.map((file) => readFile(join(lists, file), 'utf8')))
  const index = packageIndex(texts.join('\n\n'), debs)
  const folder = join(into, 'dists', suite)
  const path = 'main/binary-amd64/Packages'
  await mkdir(join(folder, 'main/binary-amd64'), { recursive: true })
  await writeFile(join(folder, path), index)
  const hash = createHash('sha256').update(index).digest('hex')
  const release = [
    `Suite: ${suite}`,
    `Codename: ${suite}`,
    'Components: main',
    'Architectures: amd64',
    'SHA256:',
    ` ${hash} ${Buffer.byteLength(index)} ${path}`,
  ]
  await writeFile(join(folder, 'Release'), `${release.join('\n')}\n`)
}

/** The stanzas of those packages whose files are here, with their places in the pool. */
export function packageIndex(index: string, debs: readonly string[]): string {
  const stanzas = index.split(/\n{2,}/).flatMap((stanza) => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1] ?? ''
    // A colon, which stands behind an epoch, is written as apt writes it.
    const version = field('Version').replaceAll(':', '%3a')
    const file = `${field('Package')}_${version}_${field('Architecture')}.deb`
    if (!debs.includes(file)) return []
    return [stanza.trim().replace(/^Filename: .*$/m, `Filename: pool/${file}`)]
  })
  if (stanzas.length < debs.length) {
    const expected = `expected all of ${debs.length} packages in the mirror's index`
    throw new KvmioError(`package drive: ${expected}, got ${stanzas.length}`)
  }
  return `${[...new Set(stanzas)].join('\n\n')}\n\n`
}
