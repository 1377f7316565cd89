// Reads /proc/filesystems, and modules.dep of the running kernel: https://docs.kernel.org/filesystems/proc.html
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Where a kernel has a filesystem: built in or loaded, in a module that a mount loads, or not at all. */
export async function findFilesystem(
  procRoot: string,
  release: string,
  type: string,
): Promise<'kernel' | 'module' | undefined> {
  const known = await readFile(join(procRoot, 'filesystems'), 'utf8')
  if (new RegExp(`^\\s*${type}$`, 'm').test(known)) return 'kernel'
  const modules = await readFile(`/lib/modules/${release}/modules.dep`, 'utf8').catch(() => '')
  return modules.includes(`/${type}.ko`) ? 'module' : undefined
}
