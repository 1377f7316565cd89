import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A config and its state directory, gone in the end; the built-in systems are the repository's, made once. */
export interface Home extends AsyncDisposable {
  configFile: string
}

export async function createHome(config: object): Promise<Home> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'kvmio-bench-')))
  const configFile = join(directory, 'kvmio.yaml')
  const systems = join(import.meta.dirname, '../.kvmio/systems')
  await mkdir(systems, { recursive: true, mode: 0o711 })
  await mkdir(join(directory, 'state'), { mode: 0o711 })
  await symlink(systems, join(directory, 'state/systems'))
  await writeFile(configFile, JSON.stringify({ state: 'state', ...config }))
  const remove = () => rm(directory, { recursive: true, force: true })
  return { configFile, [Symbol.asyncDispose]: remove }
}

/** A tier in the state directory. */
export const LOCAL = { local: { directory: 'state/local' } }
