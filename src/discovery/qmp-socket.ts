import { type ForeignProcess, nameOf } from '../attribution/foreign-names.ts'

/** The QMP socket that the config names for a vm; `sockets` is a path with {vm} in it, or paths by the names of vms. */
export function socketOf(
  process: ForeignProcess,
  sockets: string | Readonly<Record<string, string>> | undefined,
): string | undefined {
  const name = nameOf(process)
  if (typeof sockets === 'object') return Object.hasOwn(sockets, name) ? sockets[name] : undefined
  // A name is somebody else's, and leads to no other folder.
  return name.includes('/') ? undefined : sockets?.replaceAll('{vm}', () => name)
}
