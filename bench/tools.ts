import { access, cp, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../src/lib/process.ts'

/** Where what is compared with is unpacked. */
export const toolsDir = join(import.meta.dirname, '../.kvmio/tools')

/** A program of a Debian package, downloaded and unpacked once, never installed: it would start a daemon. */
export async function fetchProgram(name: string): Promise<string> {
  const program = join(toolsDir, 'bin', name)
  if (await isThere(program)) return program
  await mkdir(join(toolsDir, 'bin'), { recursive: true })
  await unpack([name], (tree) => rename(join(tree, 'usr/bin', name), program))
  return program
}

/** The files of Debian packages below one folder, likewise. */
export async function fetchTree(name: string, packages: readonly string[]): Promise<string> {
  const directory = join(toolsDir, name)
  if (await isThere(directory)) return directory
  await mkdir(toolsDir, { recursive: true })
  await unpack(packages, async (tree) => {
    // On a merged /usr the two are one folder.
    await cp(join(tree, 'lib'), join(tree, 'usr/lib'), { recursive: true })
    await rename(tree, directory)
  })
  return directory
}

async function unpack(packages: readonly string[], take: (tree: string) => Promise<void>) {
  const work = await mkdtemp(join(toolsDir, '.unpack-'))
  try {
    // apt's own user cannot write below a private directory; without this it warns and does the same.
    const options = ['-q', '-o', 'APT::Sandbox::User=']
    await run('apt-get', ['download', ...options, ...packages], { cwd: work, timeoutMs: 120_000 })
    for (const file of await readdir(work)) {
      await run('dpkg', ['-x', join(work, file), join(work, 'tree')])
    }
    await take(join(work, 'tree'))
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}
