// Fetches the programs that only tests need and that would start a daemon if they were installed: their Debian packages
// are downloaded and unpacked into .kvmio/tools, never installed. Plain JavaScript without dependencies, for Node 20.

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

/** Debian's Alertmanager has its templates in this folder of /usr/share, and does not start without them. */
const TEMPLATES = 'prometheus/alertmanager'

/** The packages of which a program is neither on the PATH nor unpacked. */
export async function missingTools() {
  const missing = []
  for (const [name, programs] of Object.entries(TOOLS)) {
    const found = await Promise.all(programs.map(isThere))
    if (found.includes(false)) missing.push(name)
  }
  const alertmanager = 'prometheus-alertmanager'
  if (!missing.includes(alertmanager) && (await lackTemplates())) missing.push(alertmanager)
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
    const templates = join(work, 'tree/usr/share', TEMPLATES)
    if (await isReadable(templates)) {
      await mkdir(dirname(join(toolsDir, 'share', TEMPLATES)), { recursive: true })
      await rm(join(toolsDir, 'share', TEMPLATES), { recursive: true, force: true })
      await rename(templates, join(toolsDir, 'share', TEMPLATES))
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

/** Of one that was unpacked, and is not the upstream's, which has them inside. */
async function lackTemplates() {
  if (!(await isReadable(join(toolsDir, 'bin/prometheus-alertmanager')))) return false
  const places = ['/usr/share', join(toolsDir, 'share')]
  const found = await Promise.all(places.map((place) => isReadable(join(place, TEMPLATES))))
  return !found.includes(true)
}

async function isReadable(path) {
  return access(path, constants.R_OK).then(
    () => true,
    () => false,
  )
}
