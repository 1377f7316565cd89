// Root filesystem images, made once for each content and kept in the state directory.
import { createHash } from 'node:crypto'
import { access, mkdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, UnavailableError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { ProcessError, run } from '../../lib/process.ts'
import { findMirror, type Mirror } from './mirror.ts'
import { makeRootTree, type RootRecipe } from './root-tree.ts'
import { assertSpace, makeWorkDirectory, moveIn } from './work-directory.ts'

/** Counts up when what is built from the same recipe changes. */
const BUILDER = 1
/** A tree of a gigabyte, and its image. */
const NEEDED_BYTES = 3 * 2 ** 30
const DEBS = 'debs'
const PACK_MS = 300_000

export interface RootFilesystemOptions {
  /** Keeps the .deb files, and each image that was made of them. */
  cacheDir: string
  /** What the image is called; a name for each recipe. */
  name: string
  /** What it is made of; `mirror` is that of this host, for names of packages that differ. */
  recipe(mirror: Mirror): RootRecipe
  /** Of the filesystem. */
  sizeBytes: number
  /** The filesystem's label: at most 16 bytes. */
  label: string
  log: Log
  signal?: AbortSignal
}

export interface BuiltSystem {
  /** What holds what was made of the tree. */
  directory: string
  /** Seconds that it took to build; 0 when it was there. */
  builtIn: number
}

/** Gives an ext4 image of a root filesystem, `root.img` in the directory; builds it first where it is not in the cache. */
export async function buildRootFilesystem(options: RootFilesystemOptions): Promise<BuiltSystem> {
  const { sizeBytes, label, signal } = options
  return await buildFromTree(options, [sizeBytes, label], async (tree, made) => {
    await packExt4({ tree, image: join(made, 'root.img'), sizeBytes, label, signal })
  })
}

/**
 * Gives what `make` made of a tree, from the cache where it is there. `inputs` are what it depends on beside the recipe;
 * `made` appears as the directory when it is whole, or not at all.
 */
export async function buildFromTree(
  options: Pick<RootFilesystemOptions, 'cacheDir' | 'name' | 'recipe' | 'log' | 'signal'>,
  inputs: readonly unknown[],
  make: (tree: string, made: string, work: string, mirror: Mirror) => Promise<void>,
): Promise<BuiltSystem> {
  const { cacheDir, name, log, signal } = options
  const start = performance.now()
  const mirror = await findMirror(undefined, signal)
  const recipe = options.recipe(mirror)
  const place = join(cacheDir, `${name}-${keyOf([BUILDER, mirror.suite, recipe, ...inputs])}`)
  if (await exists(place)) return { directory: place, builtIn: 0 }

  if (process.getuid?.() !== 0) {
    throw new UnavailableError(
      `system ${name} cannot be built: debootstrap takes root; run as root`,
    )
  }
  log.info({ cacheDir }, `building the system ${name} from ${mirror.url}: some minutes, once`)
  const work = await makeWorkDirectory(cacheDir)
  try {
    await assertSpace(cacheDir, `the system ${name}`, NEEDED_BYTES)
    const tree = join(work, 'tree')
    await makeRootTree({ ...recipe, into: tree, debs: join(cacheDir, DEBS), mirror, signal })
    const made = join(work, 'made')
    await mkdir(made)
    await make(tree, made, work, mirror)
    await moveIn(made, place)
    return { directory: place, builtIn: (performance.now() - start) / 1000 }
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof ProcessError)) throw error
    throw new UnavailableError(`the system ${name} could not be built: ${error.message}`, {
      cause: error,
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

export interface Ext4Options {
  tree: string
  /** Path of the image; one that is there keeps what is outside of the filesystem. */
  image: string
  /** Of the filesystem. */
  sizeBytes: number
  label: string
  /** Where in the image it begins; 0 by default. */
  offsetBytes?: number
  signal?: AbortSignal
}

/** Makes an ext4 of a tree without mounting it; the image is sparse. */
export async function packExt4(options: Ext4Options): Promise<void> {
  const { tree, image, sizeBytes, label, offsetBytes = 0, signal } = options
  await writeFile(image, '', { flag: 'a', mode: 0o644 })
  await truncate(image, offsetBytes + sizeBytes)
  // The tables are written now, not by the guest's kernel in the background of what is measured.
  const extended = `lazy_itable_init=0,lazy_journal_init=0,offset=${offsetBytes}`
  const args = ['-q', '-F', '-L', label, '-m', '0', '-E', extended, '-d', tree, image]
  const blocks = `${Math.floor(sizeBytes / 1024)}k`
  await run('mkfs.ext4', [...args, blocks], { timeoutMs: PACK_MS, signal })
}

function keyOf(parts: unknown): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}
