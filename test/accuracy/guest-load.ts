// What a guest is told to do: one load after another, with a quiet time before the first and after each.

/** A load of one drive, with what it is to issue where that is known beforehand. */
export interface Load {
  name: string
  drive: string
  /** A shell command; $disk is the drive's device. fio is to write its JSON to $json. */
  command: string
  /** Of a load that does not tell by itself. */
  issues?: Issued
}

/** Operations that a load issued. */
export interface Issued {
  reads: number
  readBytes: number
  writes: number
  writtenBytes: number
  /** Each fsync. */
  flushes: number
}

/** How many times slower than a usual one the host is. */
const SLOWNESS = Number(process.env.KVMIO_TEST_SLOWNESS ?? 1)

/** The guest's sampler says its disks each second; held still later than that, it has said them. */
export const QUIET_SECONDS = 3 * SLOWNESS
export const SAMPLED_MS = 1_500 * SLOWNESS

/** The phase in which the guest is quiet after so many loads. */
export function quietPhase(loads: number): string {
  return `quiet-${loads}`
}

/** The phase of the load of this number, from 1. */
export function loadPhase(load: number): string {
  return `load-${load}`
}

/** Direct writes of 64 KiB in order, with one fsync at their end. */
export function sequential(drive: string, count: number): Load {
  const bytes = 65_536
  return {
    name: 'sequential',
    drive,
    command: `dd if=/dev/zero of=$disk bs=${bytes} count=${count} oflag=direct conv=notrunc,fsync`,
    issues: { reads: 0, readBytes: 0, writes: count, writtenBytes: count * bytes, flushes: 1 },
  }
}

/** A load by fio on the bare disk past the guest's cache. */
export function fio(name: string, drive: string, ...options: string[]): Load {
  const common = ['--direct=1', '--norandommap', '--randrepeat=1', '--output-format=json']
  const all = [`--name=${name}`, '--filename=$disk', ...common, '--output=$json', ...options]
  return { name, drive, command: `/usr/bin/fio ${all.join(' ')}` }
}

/** The script of a guest. fio's results come as results of the phase channel, by the load's name. */
export function guestScript(loads: readonly Load[]): string {
  return `set -e
PATH=/bin
find_disk() {
  for place in /sys/block/*; do
    serial=
    for file in $place/serial $place/device/serial; do
      [ ! -e $file ] || read -r serial <$file || true
    done
    [ ! -e $place/device/vpd_pg80 ] || serial=$(tail -c +5 $place/device/vpd_pg80)
    set -- $1 $serial
    [ "$2" != "$1" ] || disk=/dev/\${place##*/}
  done
}
tell() {
  gzip -c $2 | base64 -w 900 >/run/packed
  parts=$(wc -l </run/packed)
  part=0
  while read -r piece; do
    part=$((part + 1))
    read -r uptime idle </proc/uptime
    echo "$uptime result $1 $part $parts $piece" >/run/kvmio/lines
  done </run/packed
}
quiet() {
  kvmio-phase quiet-$1
  sleep ${QUIET_SECONDS}
}
json=/run/fio.json
quiet 0
${loads.map(loadText).join('')}`
}

function loadText({ name, drive, command }: Load, index: number): string {
  return `find_disk ${drive}
kvmio-phase ${loadPhase(index + 1)}
rm -f $json
${command}
quiet ${index + 1}
[ ! -e $json ] || tell ${name} $json
`
}
