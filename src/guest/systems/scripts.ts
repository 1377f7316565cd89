import { readFile } from 'node:fs/promises'

/** The shell scripts beside this file, as they go into a guest. */
export type ScriptName = 'init' | 'workload' | 'agent' | 'shutdown' | 'kvmio-phase' | 'install'

/** The text of a script. */
export async function readScript(name: ScriptName): Promise<string> {
  return await readFile(new URL(`./${name}.sh`, import.meta.url), 'utf8')
}
