// The drive that the built-in installer installs from: a root filesystem with the tools of an installer, and a package
// repository as debootstrap reads it (https://wiki.debian.org/DebianRepository/Format). Made once, and only read.
import { createHash } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PackageSet } from '../../config/workload-schema.ts'
import { KvmioError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { builtInAgentFiles } from './agent-files.ts'
import { diskRecipe, GRUB_MODULES } from './debian.ts'
import type { Mirror } from './mirror.ts'
import { buildFromTree, packExt4 } from './root-filesystem.ts'
import { fetchPackages, type RootFile, type RootRecipe } from './root-tree.ts'

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

const EXCLUDES = ['doc', 'man', 'locale', 'info'].map((folder) => `/usr/share/${folder}/*`)

/** Gives the drive's image, and builds it first where it is not in the cache. */
export async function buildPackageDrive(options: PackageDriveOptions): Promise<string> {
  const { packages, signal } = options
  const agent = await builtInAgentFiles()
  const target = (mirror: Mirror) => targetRecipe(packages, mirror, agent)
  const recipe = (mirror: Mirror): RootRecipe => ({
    packages: TOOLS,
    excludes: EXCLUDES,
    before: [],
    after: targetFiles(target(mirror)),
  })
  const make = async (tree: string, made: string, work: string, mirror: Mirror): Promise<void> => {
    const { packages, excludes } = target(mirror)
    const fetched = await fetchPackages({
      packages,
      into: join(work, 'fetched'),
      debs: join(options.cacheDir, 'debs'),
      mirror,
      signal,
    })
    await writeRepository(fetched, join(tree, 'packages'), mirror.suite)
    await mkdir(join(tree, 'target'))
    await mkdir(join(tree, 'before/etc/dpkg/dpkg.cfg.d'), { recursive: true })
    const config = excludes.map((pattern) => `path-exclude=${pattern}\n`).join('')
    await writeFile(join(tree, 'before/etc/dpkg/dpkg.cfg.d/kvmio'), config)
    await writeFile(join(tree, 'suite'), `${mirror.suite}\n`)
    await writeFile(join(tree, 'include'), `${packages.join(',')}\n`)
    const image = join(made, 'root.img')
    await packExt4({ tree, image, sizeBytes: SIZE_BYTES, label: LABEL, signal })
  }
  const include = typeof packages === 'string' && packages !== 'debian' ? [] : packages
  const named = { ...options, name: 'packages', recipe }
  const { directory } = await buildFromTree(named, [SIZE_BYTES, include], make)
  return join(directory, 'root.img')
}

/** What the installer is to make: debian without fio; minimal is installed from what minbase has. */
function targetRecipe(
  packages: PackageSet,
  mirror: Mirror,
  agent: readonly RootFile[],
): RootRecipe & { grub?: string } {
  if (packages === 'debian') {
    return { ...diskRecipe(mirror, ['busybox-static'], agent), grub: GRUB_MODULES }
  }
  const include = typeof packages === 'string' ? [] : packages.toSorted()
  return { packages: include, excludes: [], before: [], after: [] }
}

/** What install.sh puts into the target beside the packages. */
function targetFiles({ before, after, grub }: ReturnType<typeof targetRecipe>): RootFile[] {
  return [
    ...before.map((file) => ({ ...file, path: join('before', file.path) })),
    ...after.map((file) => ({ ...file, path: join('after', file.path) })),
    ...(grub === undefined ? [] : [{ path: 'grub', content: `${grub}\n` }]),
  ]
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
