// Fetches the programs that only tests and the stack need and that would start a daemon if they were installed: their Debian
// packages are downloaded and unpacked into .kvmio/tools, never installed. Plain JavaScript without dependencies, for Node 20.

import { execFile } from 'node:child_process'
import { access, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const exec = promisify(execFile)
const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Where the unpacked packages stand: the programs are in usr/bin below. */
export const toolsDir = join(root, '.kvmio/tools')

/** Debian packages and the programs that are wanted of each. */
const TOOLS = {
  prometheus: ['prometheus', 'promtool'],
  'prometheus-alertmanager': ['prometheus-alertmanager', 'amtool'],
}

/** What a program looks for in /usr/share, by its package: Debian's Alertmanager has its templates there and not in itself. */
const SHARED = { 'prometheus-alertmanager': 'prometheus/alertmanager' }

/** Where that stands of an unpacked package, as in /usr/share. */
export const toolsShare = join(toolsDir, 'share')

/** Whether a package's program needs something in /usr/share that is not there. */
export async function lacksShare(name) {
  return SHARED[name] !== undefined && !(await exists(join('/usr/share', SHARED[name])))
}

/** The packages of which a program is neither on the PATH nor unpacked. */
export async function missingTools() {
  const missing = []
  for (const [name, programs] of Object.entries(TOOLS)) {
    const found = await Promise.all(programs.map(isThere))
    const lacksPart = (await lacksShare(name)) && !(await exists(join(toolsShare, SHARED[name])))
    if (found.includes(false) || lacksPart) missing.push(name)
  }
  return missing
}

/** Downloads and unpacks packages. The rename at the end is atomic, so that two at once do not break each other. */
export async function fetchTools(packages) {
  await mkdir(toolsDir, { recursive: true })
  const work = await mkdtemp(join(toolsDir, '.unpack-'))
  try {
    // apt's own user cannot write below a private directory; without this it warns and does the same.
    await exec('apt-get', ['download', '-q', '-o', 'APT::Sandbox::User=', ...packages], {
      cwd: work,
    })
    for (const file of await readdir(work)) {
      await exec('dpkg', ['-x', join(work, file), join(work, 'tree')])
    }
    await mkdir(join(toolsDir, 'bin'), { recursive: true })
    for (const program of packages.flatMap((name) => TOOLS[name])) {
      await rename(join(work, 'tree/usr/bin', program), join(toolsDir, 'bin', program))
    }
    for (const part of packages.flatMap((name) => SHARED[name] ?? [])) {
      await mkdir(dirname(join(toolsShare, part)), { recursive: true })
      await rm(join(toolsShare, part), { recursive: true, force: true })
      await rename(join(work, 'tree/usr/share', part), join(toolsShare, part))
    }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function isThere(program) {
  const directories = [...(process.env.PATH ?? '').split(':'), join(toolsDir, 'bin')]
  for (const directory of directories) {
    try {
      await access(join(directory, program), constants.X_OK)
      return true
    } catch {}
  }
  return false
}

async function exists(path) {
  return await access(path).then(
    () => true,
    () => false,
  )
}
