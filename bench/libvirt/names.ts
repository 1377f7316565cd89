export const LIBVIRT_PREFIX = 'kvmio-bench-'
export const OWN_PREFIX = 'idle-only-'

/** The benchmark's guest that a series is of, by the label that its exporter has; what else runs on the host is none. */
export function guestOf(series: string, label: string): string | undefined {
  const name = new RegExp(`[{,]${label}="([^"]*)"`).exec(series)?.[1]
  return name && [LIBVIRT_PREFIX, OWN_PREFIX].some((prefix) => name.startsWith(prefix))
    ? name
    : undefined
}
