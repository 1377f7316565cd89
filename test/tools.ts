import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

const unpacked = join(import.meta.dirname, '../.kvmio/tools/bin')

/** Where a program is that scripts/setup.mjs --test fetches: on the PATH, else unpacked; undefined when it could not be had. */
export function findTool(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(':'), unpacked]
  return directories.map((directory) => join(directory, name)).find(isExecutable)
}

/** The reason to skip a test for, when the program is not there. */
export function lacking(name: string): string | false {
  return findTool(name) === undefined && `${name} is not installed and could not be fetched`
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
