const BINARY = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const
const SECONDS = { us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86_400 } as const

/** `192MiB` to bytes; undefined when it is not a whole number with one of the units B, KiB, MiB, GiB, TiB. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB|TiB)$/.exec(text)
  if (!match) return undefined
  const bytes = Number(match[1]) * BINARY[match[2] as keyof typeof BINARY]
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** `10ms` to seconds; undefined when it is not a number with one of the units us, ms, s, m, h, d. */
export function parseSeconds(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(us|ms|s|m|h|d)$/.exec(text)
  if (!match) return undefined
  // Through a power of ten, so that 10ms is 0.01 and not 0.010000000000000002.
  const [, amount, unit] = match as unknown as [string, string, keyof typeof SECONDS]
  return unit === 'ms'
    ? Number(amount) / 1e3
    : unit === 'us'
      ? Number(amount) / 1e6
      : Number(amount) * SECONDS[unit]
}

/** `5%` to 0.05; undefined when it is not a number with a per cent sign. */
export function parseShare(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text)
  return match ? Number(match[1]) / 100 : undefined
}

/** Bytes in the largest binary unit that keeps the figure readable: `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const units = Object.entries(BINARY).reverse()
  const [unit, size] = units.find(([, size]) => bytes >= size) ?? ['B', 1]
  return `${trim(bytes / size)} ${unit}`
}

/** Seconds as a person would write them: `850 ms`, `12.3 s`, `4 min 5 s`, `2 h 3 min`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 1) return `${trim(seconds * 1000)} ms`
  if (seconds < 60) return `${trim(seconds)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.round((whole % 3600) / 60)} min`
}

/** At most one decimal, none when it is a whole number. */
function trim(value: number): string {
  return String(Math.round(value * 10) / 10)
}
