import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** The shell scripts beside this file, as they go into a guest. */
export type ScriptName = 'init' | 'workload' | 'agent' | 'shutdown' | 'kvmio-phase' | 'install'

/** The text of a script. */
export async function readScript(name: ScriptName): Promise<string> {
  return await readFile(scriptFile(name), 'utf8')
}

/** Where a script is: of those of the guests, and of `alone`, which this host runs. */
export function scriptFile(name: ScriptName | 'alone'): string {
  return fileURLToPath(new URL(`./${name}.sh`, import.meta.url))
}
