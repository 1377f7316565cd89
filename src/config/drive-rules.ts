import { formatBytes } from '../lib/quantities.ts'
import type { DriveConfig } from './drive-schema.ts'
import { placeProblems } from './passthrough-rules.ts'
import { choice, type Path, type Problem } from './problems.ts'
import type { Readable } from './readable.ts'

// What qemu 7.2 refuses, in its own words behind each rule: https://www.qemu.org/docs/master/system/invocation.html,
// https://www.qemu.org/docs/master/system/images.html. A test starts qemu with the combinations and holds it to these.

type Drive = Readable<DriveConfig>

const QCOW2_ONLY = ['clusterSize', 'lazyRefcounts', 'extendedL2', 'backing'] as const
const DIRECT = ['none', 'directsync']
const WITH_IOTHREAD = ['virtio-blk', 'virtio-scsi']
const WITH_QUEUES = ['virtio-blk', 'virtio-scsi', 'nvme']
const L1_ENTRIES = 2 ** 22
const LEAST_EXTENDED = 16 * 2 ** 10

/** Why qemu would not take the drive; the planner asks the same of each case. Paths begin at the drive. */
export function driveProblems(drive: Drive): Problem[] {
  const problems = placeProblems(drive)
  if (problems.length > 0 || drive.passthrough) return problems
  return [...imageProblems(drive), ...hostProblems(drive), ...throttleProblems(drive.throttle)]
}

/** How many disks a bus of qemu's machine `pc` takes. */
const PLACES: Readonly<Record<string, number>> = { ide: 4, sata: 6, scsi: 7, pvscsi: 64 }
/** Each of these is a PCI device. The bus has 32; host bridge, PIIX3 and a balloon leave these at the least. */
const ON_PCI = ['virtio-blk', 'virtio-scsi', 'nvme']
const PCI_PLACES = 24

/** Why the drives do not all find a place in the machine. Paths begin at the guest. */
export function busProblems(drives: Readonly<Record<string, Drive | undefined>>): Problem[] {
  const buses = Object.values(drives).map((drive) => drive?.bus ?? '')
  const count = (names: readonly string[]) => buses.filter((bus) => names.includes(bus)).length
  const groups: [names: readonly string[], places: number][] = [
    ...Object.entries(PLACES).map(([bus, places]): [string[], number] => [[bus], places]),
    [ON_PCI, PCI_PLACES],
  ]
  return groups.flatMap(([names, places]) => {
    const used = count(names)
    if (used <= places) return []
    const message = `expected at most ${places} on bus ${choice(names)}, got ${used}`
    return [{ path: ['drives'], at: 'key' as const, message }]
  })
}

function imageProblems(drive: Drive): Problem[] {
  const { format, preallocation, clusterSize, extendedL2, backing = 0 } = drive
  const problems: Problem[] = []
  if (format === 'raw') {
    for (const key of QCOW2_ONLY) {
      if (drive[key]) problems.push(problem([key], `${key} is for format qcow2, got format raw`))
    }
    // "Unsupported preallocation mode: metadata"
    if (preallocation === 'metadata') {
      const message = 'preallocation metadata is for format qcow2, got format raw'
      problems.push(problem(['preallocation'], message))
    }
    return problems
  }
  // "The image size is too large (try using a larger cluster size)": the L1 table has 32 MiB at the most.
  const { size, clusterSize: cluster = 2 ** 16 } = drive
  const most = L1_ENTRIES * (cluster / (extendedL2 ? 16 : 8)) * cluster
  if (size !== undefined && size > most) {
    const message = `expected at most ${formatBytes(most)} with clusters of ${formatBytes(cluster)}, got ${formatBytes(size)}`
    problems.push(problem(['size'], message))
  }
  // "Extended L2 entries are only supported with cluster sizes of at least 16384 bytes"
  if (extendedL2 && clusterSize !== undefined && clusterSize < LEAST_EXTENDED) {
    const message = `extendedL2 needs a clusterSize of at least 16KiB, got ${formatBytes(clusterSize)}`
    problems.push(problem(['extendedL2'], message))
  }
  // "Backing file and preallocation can only be used at the same time if extended_l2 is on"
  if (backing > 0 && preallocation !== undefined && preallocation !== 'off' && !extendedL2) {
    const message = `preallocation over a backing image needs extendedL2, got preallocation ${preallocation} without it`
    problems.push(problem(['preallocation'], message))
  }
  return problems
}

function hostProblems({ bus, cache, aio, discard, detectZeroes, iothread, queues }: Drive) {
  const problems: Problem[] = []
  // "aio=native was specified, but it requires cache.direct=on"
  if (aio === 'native' && cache !== undefined && !DIRECT.includes(cache)) {
    const message = `aio native needs cache none or directsync (it works on O_DIRECT alone), got cache ${cache}`
    problems.push(problem(['aio'], message))
  }
  // "setting detect-zeroes to unmap is not allowed without setting discard operation to unmap"
  if (detectZeroes === 'unmap' && discard !== undefined && discard !== 'unmap') {
    const message = `detectZeroes unmap needs discard unmap, got discard ${discard}`
    problems.push(problem(['detectZeroes'], message))
  }
  // "Property 'ide-hd.iothread' not found"
  if (iothread && bus !== undefined && !WITH_IOTHREAD.includes(bus)) {
    const message = `an iothread is for bus ${choice(WITH_IOTHREAD)}, got bus ${bus}`
    problems.push(problem(['iothread'], message))
  }
  // "Property 'lsi53c895a.num_queues' not found"
  if (queues !== undefined && bus !== undefined && !WITH_QUEUES.includes(bus)) {
    const message = `queues are for bus ${choice(WITH_QUEUES)}, got bus ${bus}`
    problems.push(problem(['queues'], message))
  }
  return problems
}

function throttleProblems(throttle: Drive['throttle']): Problem[] {
  if (!throttle) return []
  const { burstLength } = throttle
  const problems: Problem[] = []
  let bursts = false
  for (const key of ['iops', 'bytesPerSecond'] as const) {
    const limit = throttle[key]
    const burst = throttle[`${key}Burst`]
    if (burst === undefined) continue
    bursts = true
    const path = ['throttle', `${key}Burst`]
    // "bps_max/iops_max require corresponding bps/iops values", and "cannot be lower than bps/iops"
    if (limit === undefined) {
      problems.push(
        problem(path, `expected ${key} too, which a burst exceeds for a while, got none`),
      )
    } else if (burst < limit) {
      problems.push(problem(path, `expected at least ${key}, which is ${limit}, got ${burst}`))
    }
  }
  // It would do nothing.
  if (burstLength !== undefined && !bursts) {
    const message = 'expected iopsBurst or bytesPerSecondBurst, which it is the length of, got none'
    problems.push(problem(['throttle', 'burstLength'], message))
  }
  return problems
}

function problem(path: Path, message: string): Problem {
  return { path, at: 'value', message }
}
