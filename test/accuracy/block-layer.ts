// What the kernel's trace of a device says that vms and others did, against what kvmio says.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { cgroupOf } from '../../src/cli/cgroups.ts'
import { findIoHierarchy } from '../../src/source/cgroup.ts'
import { qemuOf } from '../e2e/kvmio.ts'
import type { Figures, Pair } from './figures.ts'
import { gainer } from './layers.ts'
import type { Reading, Stage } from './stage.ts'
import type { TraceEvent } from './trace.ts'
import { between, ended, NOTHING, type Submitted, submittedBy } from './transactions.ts'

/** A vm by the names that the kernel has for it. */
export interface TracedVm {
  vm: string
  /** The inode of its I/O cgroup. */
  cgroup: number
  /** The thread group of its qemu. */
  pid: number
}

/** To be asked while the vm runs. */
export async function tracedVm({ home }: Stage, vm: string): Promise<TracedVm> {
  const hierarchy = await findIoHierarchy('/proc')
  if (!hierarchy) throw new Error('this host has no cgroups that count I/O')
  const { ino } = await stat(join(hierarchy.root, cgroupOf(home.state), vm))
  return { vm, cgroup: ino, pid: await qemuOf(home, vm) }
}

/** A stretch between two readings at rest, on one device. */
export interface Stretch {
  name: string
  device: string
  vms: readonly TracedVm[]
  before: Reading
  after: Reading
  /** Whether the vms' drives go through the host's page cache, whose writes a cgroup v1 counts for nobody in particular. */
  cached?: boolean
}

const HEAD = [
  ...['load', 'bios of vms', 'flushes among all', 'bios of others', '+ pieces', '- merged'],
  ...['= requests', 'kvmio_device_*', 'of them unattributed'],
]

/** What a part has gathered of its stretches, figure by figure. */
export class BlockLayer {
  readonly #pairs = new Map<string, Pair[]>()
  readonly #rows: string[][] = []
  /** Who did what no vm did. */
  readonly others = new Set<string>()

  /** Holds one stretch against its part of the trace. */
  add(stretch: Stretch, trace: readonly TraceEvent[]): void {
    const { before, after, vms } = stretch
    const events = between(trace, before.at, after.at)
    const byCgroup = submittedBy(events, ({ cgroup }) => cgroup)
    const byProcess = submittedBy(events, ({ pid }) => pid)
    for (const { vm, cgroup, pid } of vms) {
      const ofCgroup = byCgroup.get(cgroup) ?? NOTHING
      this.#ofVm(stretch, vm, ofCgroup)
      if (!stretch.cached)
        this.#ofProcess(`${stretch.name} ${vm}`, ofCgroup, byProcess.get(pid) ?? NOTHING)
    }
    const theirs = new Set(vms.map(({ cgroup }) => cgroup))
    const others = submittedBy(events, ({ cgroup }) => theirs.has(cgroup)).get(false) ?? NOTHING
    for (const name of others.names) this.others.add(name.split('/')[0]!)
    this.#ofOthers(stretch, others)
    this.#account(stretch, [...vms.map(({ cgroup }) => byCgroup.get(cgroup) ?? NOTHING), others])
    this.#ofDevice(stretch, events, [...byCgroup.values()])
  }

  report(figures: Figures): void {
    for (const [what, pairs] of this.#pairs) figures.exact(what, pairs)
    const others = [...this.others].sort().join(', ') || 'nobody'
    figures.account(
      `bios and requests by the trace, and who the others were (${others})`,
      HEAD,
      this.#rows,
    )
  }

  /** How bios become the requests that the device counts. */
  #account({ name, device, before, after }: Stretch, submitted: readonly Submitted[]): void {
    const gained = gainer(before.page, after.page)
    const of = (metric: string) => gained(`kvmio_device_${metric}`, { device })
    const all = (prefix: string) =>
      of(`${prefix}reads_completed_total`) + of(`${prefix}writes_completed_total`)
    const sum = (value: (each: Submitted) => number) =>
      submitted.reduce((total, each) => total + value(each), 0)
    const bios = ({ bios }: Submitted) => bios.reads + bios.writes
    const counts = [
      sum(bios) - bios(submitted.at(-1)!),
      sum(({ emptyFlushes }) => emptyFlushes),
      bios(submitted.at(-1)!),
      sum(({ splits }) => splits),
      sum(({ merges }) => merges),
      sum(({ requests }) => requests),
      all(''),
      all('unattributed_'),
    ]
    this.#rows.push([name, ...counts.map((count) => count.toLocaleString('en-US'))])
  }

  /** blkio.throttle.io_serviced counts a bio when it is queued, and each piece that is cut off it. */
  #ofVm(
    { name, device, before, after, cached }: Stretch,
    vm: string,
    { bios, splits }: Submitted,
  ): void {
    if (cached) return
    const gained = gainer(before.page, after.page)
    const of = (metric: string) => gained(`kvmio_vm_device_${metric}`, { vm, device })
    const operations = of('reads_completed_total') + of('writes_completed_total')
    this.#compare(
      'kvmio_vm_device_* and the bios of the vm, with the pieces of those that were cut',
      [
        [`${name} ${vm} operations`, bios.reads + bios.writes + splits, operations],
        [`${name} ${vm} bytes read`, bios.readBytes, of('read_bytes_total')],
        [`${name} ${vm} bytes written`, bios.writtenBytes, of('written_bytes_total')],
      ],
    )
  }

  #ofProcess(of: string, byCgroup: Submitted, byProcess: Submitted): void {
    this.#compare("bios of the vm's cgroup and of its qemu's threads", [
      [`${of} reads`, byProcess.bios.reads, byCgroup.bios.reads],
      [`${of} writes`, byProcess.bios.writes, byCgroup.bios.writes],
      [`${of} bytes written`, byProcess.bios.writtenBytes, byCgroup.bios.writtenBytes],
    ])
  }

  #ofOthers({ name, device, before, after }: Stretch, { bios, requests }: Submitted): void {
    const gained = gainer(before.page, after.page)
    const of = (metric: string) => gained(`kvmio_device_unattributed_${metric}`, { device })
    const operations = of('reads_completed_total') + of('writes_completed_total')
    this.#compare('kvmio_device_unattributed_* and requests that no vm began', [
      [`${name} operations`, requests, operations],
      [`${name} bytes read`, bios.readBytes, of('read_bytes_total')],
      [`${name} bytes written`, bios.writtenBytes, of('written_bytes_total')],
    ])
  }

  #ofDevice(
    { name, device, vms, before, after, cached }: Stretch,
    events: readonly TraceEvent[],
    submitted: readonly Submitted[],
  ): void {
    const gained = gainer(before.page, after.page)
    const of = (metric: string) => gained(`kvmio_device_${metric}`, { device })
    const done = ended(events)
    const total = (value: (each: Submitted) => number) =>
      submitted.reduce((sum, each) => sum + value(each), 0)
    const pieces = total(({ bios, splits }) => bios.reads + bios.writes + splits)
    const merges = total((each) => each.merges)
    this.#compare('kvmio_device_* and what the trace saw end, be merged and carry', [
      [`${name} reads`, done.reads, of('reads_completed_total')],
      [`${name} writes`, done.writes, of('writes_completed_total')],
      [`${name} flushes`, done.flushes, of('flush_requests_total')],
      [`${name} merged`, merges, of('reads_merged_total') + of('writes_merged_total')],
      [`${name} bytes read`, total(({ bios }) => bios.readBytes), of('read_bytes_total')],
      [`${name} bytes written`, total(({ bios }) => bios.writtenBytes), of('written_bytes_total')],
    ])
    this.#compare('requests that ended, and bios + pieces - merges', [
      [name, pieces - merges, done.reads + done.writes],
    ])
    if (cached) return
    const vmDevice = (metric: string) =>
      vms.reduce((sum, { vm }) => sum + gained(`kvmio_vm_device_${metric}`, { vm, device }), 0)
    const both = (metric: string) => vmDevice(metric) + of(`unattributed_${metric}`)
    this.#compare('conservation: the device is its vms and the unattributed rest', [
      [`${name} reads`, of('reads_completed_total'), both('reads_completed_total')],
      [`${name} bytes read`, of('read_bytes_total'), both('read_bytes_total')],
      [`${name} writes`, of('writes_completed_total'), both('writes_completed_total')],
      [`${name} bytes written`, of('written_bytes_total'), both('written_bytes_total')],
    ])
  }

  #compare(
    what: string,
    rows: readonly (readonly [of: string, expected: number, found: number])[],
  ) {
    const pairs = rows.map(([of, expected, found]) => ({ of, expected, found }))
    this.#pairs.set(what, [...(this.#pairs.get(what) ?? []), ...pairs])
  }
}
