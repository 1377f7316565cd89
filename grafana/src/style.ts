// The house style: units, colours and what they mean, the same on every dashboard.

/** Grafana's names of units, by ours; bytes are counted in 1024s, as qemu and the config do. */
export const UNITS = {
  bytes: 'bytes',
  bytesPerSecond: 'binBps',
  count: 'none',
  perSecond: 'ops',
  ratio: 'percentunit',
  seconds: 's',
  since: 'dateTimeFromNow',
  text: 'string',
  transactions: 'iops',
  yesNo: 'bool_yes_no',
} as const

export type Unit = keyof typeof UNITS

/** Worse as the value grows, or as it shrinks. */
export const STATUS = { good: '#56A64B', warning: '#F2CC0C', bad: '#C4162A', none: '#8E8E8E' }

interface Meaning {
  colour: string
  /** For what is not measured but held against it. */
  dashed?: boolean
}

/** What a word in a legend is drawn as, wherever it stands. */
export const MEANINGS: Readonly<Record<string, Meaning>> = {
  read: { colour: '#5794F2' },
  write: { colour: '#FF9830' },
  flush: { colour: '#B877D9' },
  discard: { colour: '#705DA0' },
  guest: { colour: '#96D98D' },
  qemu: { colour: '#FADE2A' },
  process: { colour: '#6ED0E0' },
  device: { colour: '#967302' },
  unattributed: { colour: '#7B7B7B' },
  p50: { colour: '#A0E7E5' },
  p95: { colour: '#37A5A1' },
  p99: { colour: '#0B7A75' },
  mean: { colour: '#DEB6F2' },
  target: { colour: STATUS.bad, dashed: true },
  capacity: { colour: STATUS.bad, dashed: true },
  limit: { colour: STATUS.bad, dashed: true },
  passed: { colour: STATUS.good },
  failed: { colour: STATUS.bad },
  void: { colour: STATUS.warning },
  abandoned: { colour: STATUS.none },
}

/** The meaning of a legend, or undefined when it is one of many alike. Two would be a contradiction. */
export function meaningOf(legend: string): string | undefined {
  const words = legend.replaceAll(/\{\{.*?\}\}/g, '').split(/[^\w]+/)
  const found = words.filter((word) => Object.hasOwn(MEANINGS, word))
  if (found.length > 1) throw new Error(`legend "${legend}" has two colours: ${found.join(', ')}`)
  return found[0]
}

/** The phases of kvmio's own workloads, in their order, and their colours. A timeline needs numbers: 1, 2, ... */
export const PHASES = [
  { text: 'boot', colour: '#5195CE' },
  { text: 'prepare', colour: '#64B0C8' },
  { text: 'write', colour: MEANINGS.write!.colour },
  { text: 'settle', colour: '#F9E2D2' },
  { text: 'fio', colour: '#E0752D' },
  { text: 'script', colour: '#D683CE' },
  { text: 'partition', colour: '#447EBC' },
  { text: 'mkfs', colour: '#508642' },
  { text: 'unpack', colour: '#CCA300' },
  { text: 'configure', colour: '#890F02' },
  { text: 'bootloader', colour: '#0A437C' },
  { text: 'install', colour: '#C15C17' },
  { text: 'idle', colour: '#629E51' },
  { text: 'shutdown', colour: '#7B7B7B' },
] as const
