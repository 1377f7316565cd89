// fio's command line: https://fio.readthedocs.io/en/latest/fio_doc.html

/** What fio does to the file. */
export interface Pattern {
  rw: 'randread' | 'randwrite' | 'read' | 'write'
  blockBytes: number
  /** Each write is followed by fdatasync(2), and one after the other is done: a writer for each operation of the depth. */
  synced?: true
}

/** Where fio works, and on how much of it. */
export interface Target {
  path: string
  bytes: number
}

export interface Timing {
  /** What goes before and is not counted. */
  rampSeconds: number
  /** How many seconds must be alike. */
  steadySeconds: number
  /** When it ends at the latest, whether they are or not. */
  limitSeconds: number
}

export interface Search {
  /** Seconds, of the mean operation. */
  targetLatency: number
  /** The deepest that is tried. */
  maxDepth: number
  windowSeconds: number
  limitSeconds: number
}

/** Of each second the rate must lie within this of the mean. */
const STEADY = '10%'

/** How many requests are under way while the file is written. */
export const LAYOUT_DEPTH = 8

/** Writes all of the file once: the first write of a block costs a filesystem more than the next ones. */
export function layoutArgs(target: Target, blockBytes: number, limitSeconds: number): string[] {
  return [
    ...common(target),
    '--rw=write',
    `--bs=${blockBytes}`,
    '--ioengine=libaio',
    `--iodepth=${LAYOUT_DEPTH}`,
    '--end_fsync=1',
    `--runtime=${limitSeconds}`,
  ]
}

/** Keeps so many operations under way until the seconds are alike. */
export function pointArgs(
  target: Target,
  pattern: Pattern,
  depth: number,
  { rampSeconds, steadySeconds, limitSeconds }: Timing,
): string[] {
  return [
    ...common(target),
    '--allow_file_create=0',
    ...patternArgs(pattern, depth),
    '--time_based',
    `--ramp_time=${Math.round(rampSeconds * 1000)}ms`,
    `--runtime=${limitSeconds}`,
    `--ss=iops:${STEADY}`,
    `--ss_dur=${steadySeconds}`,
  ]
}

/**
 * Looks for the depth at which half of the operations of a window just keep the target. fio knows percentiles alone; in a
 * loop of constant depth all operations take about the same time.
 */
export function searchArgs(
  target: Target,
  pattern: Pattern,
  { targetLatency, maxDepth, windowSeconds, limitSeconds }: Search,
): string[] {
  return [
    ...common(target),
    '--allow_file_create=0',
    ...patternArgs(pattern, maxDepth),
    '--time_based',
    `--runtime=${limitSeconds}`,
    `--latency_target=${Math.round(targetLatency * 1e6)}us`,
    `--latency_window=${Math.round(windowSeconds * 1e6)}us`,
    '--latency_percentile=50',
  ]
}

function common({ path, bytes }: Target): string[] {
  return [
    '--name=kvmio',
    `--filename=${path.replaceAll(/[\\:]/g, '\\$&')}`, // a colon separates two files
    `--size=${bytes}`,
    '--direct=1',
    '--thread', // it dies with kvmio, and with it all that it does
    '--group_reporting',
    '--randrepeat=0', // else each depth asks for what a cache in the device has from the one before
    '--output-format=json',
  ]
}

function patternArgs({ rw, blockBytes, synced }: Pattern, depth: number): string[] {
  const access = [`--rw=${rw}`, `--bs=${blockBytes}`]
  return synced
    ? [...access, '--ioengine=psync', '--fdatasync=1', `--numjobs=${depth}`]
    : [...access, '--ioengine=libaio', `--iodepth=${depth}`]
}
