/** The QMP socket that the config names for a vm; `sockets` is a path with {vm} in it, or paths by the names of vms. */
export function socketOf(
  vm: string,
  sockets: string | Readonly<Record<string, string>> | undefined,
): string | undefined {
  if (typeof sockets === 'object') return Object.hasOwn(sockets, vm) ? sockets[vm] : undefined
  // A name is somebody else's, and leads to no other folder.
  return vm.includes('/') ? undefined : sockets?.replaceAll('{vm}', () => vm)
}
