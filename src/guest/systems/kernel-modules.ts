import { readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import type { Log } from '../../lib/log.ts'
import { run } from '../../lib/process.ts'
import type { UnpackedSystem } from './appliance-packages.ts'

/** The drivers that init.sh can load, each with the modules that it needs and does not name as a dependency. */
export const DRIVERS: Readonly<Record<string, readonly string[]>> = {
  virtio_pci: [],
  virtio_blk: [],
  virtio_scsi: [],
  virtio_balloon: [],
  ata_piix: [],
  ahci: [],
  nvme: [],
  sym53c8xx: [], // qemu's lsi53c895a
  vmw_pvscsi: [],
  sd_mod: [],
  qemu_fw_cfg: [], // where qemu hands files in
  ext4: ['crc32c_generic'], // named as a soft dependency, by an alias
}

export interface ModulesOptions {
  system: UnpackedSystem
  /** Where the modules go. */
  into: string
  log: Log
  signal?: AbortSignal
}

/** Copies the drivers' modules; answers with a line for each driver: its name, its files, dependencies first. */
export async function copyModules(options: ModulesOptions): Promise<string> {
  const { system, log } = options
  const builtIn = await readFile(join(system.modules, 'modules.builtin'), 'utf8')
  const isBuiltIn = new Set(builtIn.split('\n').map(moduleName))
  const paths = await readdir(join(system.modules, 'kernel'), { recursive: true })
  const modules = paths.filter((path) => /\.ko(\.\w+)?$/.test(path))
  const pathOf = new Map(modules.map((path) => [moduleName(path), path]))
  const dependenciesOf = new Map<string, string[]>()

  const inOrder = async (name: string): Promise<string[]> => {
    const path = pathOf.get(name)
    if (path !== undefined) {
      const needed = dependenciesOf.get(name) ?? (await copyModule(name, path, options))
      dependenciesOf.set(name, needed)
      const before: string[] = []
      for (const dependency of needed) before.push(...(await inOrder(dependency)))
      return [...before, `${name}.ko`]
    }
    if (isBuiltIn.has(name)) return []
    log.warn(`kernel ${system.release} has no module ${name}: guests cannot use what needs it`)
    return []
  }

  let lines = ''
  for (const driver of Object.keys(DRIVERS)) {
    lines += `${[driver, ...new Set(await inOrder(driver))].join(' ')}\n`
  }
  return lines
}

/** What depmod would find, without kmod: the field `depends` of a module's section .modinfo. */
export function parseDependencies(module: Buffer): string[] {
  const names = /\0depends=([^\0]*)\0/.exec(module.toString('latin1'))?.[1] ?? ''
  return names.split(',').filter(Boolean).map(moduleName)
}

async function copyModule(
  name: string,
  path: string,
  { system, into, signal }: ModulesOptions,
): Promise<string[]> {
  const module = await readModule(join(system.modules, 'kernel', path), signal)
  await writeFile(join(into, `${name}.ko`), module)
  return [...(DRIVERS[name] ?? []), ...parseDependencies(module)]
}

/** Debian 13 packs its modules as .ko.xz, Ubuntu as .ko.zst. */
async function readModule(path: string, signal?: AbortSignal): Promise<Buffer> {
  if (path.endsWith('.zst')) return zstdDecompressSync(await readFile(path))
  if (!path.endsWith('.xz')) return readFile(path)
  await run('xz', ['-d', path], { signal })
  return readFile(path.slice(0, -'.xz'.length))
}

/** One spelling: files may have dashes where the kernel has underscores. */
function moduleName(path: string): string {
  const file = basename(path)
  const end = file.indexOf('.ko')
  return (end < 0 ? file : file.slice(0, end)).replaceAll('-', '_')
}
