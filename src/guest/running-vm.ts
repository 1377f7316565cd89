import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GuestDisk, Vm, VmIdentity } from '../attribution/records.ts'
import type { Outcome, PhaseRow } from '../journal/runs.ts'
import { KvmioError, messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { type DriveStats, readBlockStats } from '../source/blockstats.ts'
import { type CgroupIo, type IoHierarchy, readCgroupIo, removeCgroup } from '../source/cgroup.ts'
import { type PhaseLine, PhaseLog, type PhaseResult } from '../source/phase-channel.ts'
import { type Result, ResultParts } from '../source/phase-result.ts'
import { isSameProcess, type ProcIo, readProcIo, readProcStat } from '../source/proc.ts'
import { Qmp, type QmpEvent } from '../source/qmp.ts'
import { Balloon, type LastMemory } from './balloon.ts'
import { driveOfNode } from './block-node.ts'
import { identityOf, type VmPlan, vmFiles } from './plan.ts'
import { endingOf, endProcess, lastLines, type QemuProcess, waitForEnd } from './qemu-process.ts'

/** What a vm needs from the world around it. */
export interface VmContext {
  procRoot: string
  /** qemu's binary. */
  binary: string
  hierarchy?: IoHierarchy
  log: Log
  /** Unix seconds. */
  now(): number
}

/** Told of what must outlive this kvmio, before anything depends on it. */
export interface VmListener {
  started(process: { pid: number; startTicks: number }): void
  /** When the guest's uptime was 0, as Unix seconds: what turns its clock into ours. */
  booted(bootTime: number): void
  /** Something that the guest has told in full; the same one may come again after a take-over. */
  result(result: Result): void
  /** All phases up to an offset of the phase log. */
  phases(offset: number, phases: readonly PhaseRow[]): void
  /** How it went, while its qemu still waits with the last counters. */
  ended(end: VmEnd): Promise<void>
}

/** Where an adopted vm was left. */
export interface VmProgress {
  bootTime?: number
  phaseOffset: number
  phases: readonly PhaseRow[]
}

export interface VmEnd {
  outcome: Outcome
  reason?: string
  lastSample?: LastSample
}

/** The counters after power-off, before qemu quits. */
export interface LastSample {
  drives: DriveStats[]
  guestDisks: readonly GuestDisk[]
  memory: LastMemory
  /** Absent where kvmio may not look into the process. */
  process?: ProcIo
  /** Processor time of it since its start. */
  cpuSeconds?: number
  /** Absent without a cgroup. */
  cgroup?: CgroupIo[]
}

/** The phase that a guest is in after its last line. */
export const OFF = 'off'

const POLL_MS = 250
const QUIT_MS = 10_000

/** A vm from `cont` until its qemu has gone. */
export class RunningVm {
  readonly plan: VmPlan
  readonly identity: VmIdentity
  readonly record: Vm & { qmp: Qmp }
  /** Resolves, never rejects, when qemu has gone. */
  readonly finished: Promise<VmEnd>
  readonly #process: QemuProcess
  readonly #context: VmContext
  readonly #listener: VmListener
  readonly #phaseLog: PhaseLog
  readonly #balloon: Balloon
  #woken = Promise.withResolvers<void>()
  #bootTime: number | undefined
  #phases: PhaseRow[]
  #phaseSince: number
  #disks = new Map<string, GuestDisk>()
  #errors: string[] = []
  readonly #results = new ResultParts()
  #resultOffset = 0
  #verdict: VmEnd | undefined
  #guestOff = false
  /** How the machine went off, in qemu's words: guest-shutdown, guest-reset. */
  #offBy: string | undefined

  constructor(
    plan: VmPlan,
    process: QemuProcess,
    qmp: Qmp,
    context: VmContext,
    listener: VmListener,
    progress?: VmProgress,
  ) {
    this.plan = plan
    this.#process = process
    this.#context = context
    this.#listener = listener
    this.#phaseLog = new PhaseLog(vmFiles(plan.directory).phaseLog, progress?.phaseOffset ?? 0)
    this.#bootTime = progress?.bootTime
    this.#phases = [...(progress?.phases ?? [])]
    this.#balloon = new Balloon(plan, context.procRoot, process.pid, this.#phases)
    this.#phaseSince = context.now()
    this.identity = identityOf(plan)
    const guestDisks = () => [...this.#disks.values()]
    this.record = {
      ...this.identity,
      pid: process.pid,
      adopted: progress !== undefined,
      qmp,
      memoryBytes: plan.memoryBytes,
      ...(plan.balloon ? { balloon: this.#balloon.record } : {}),
      cgroup: plan.cgroup,
      guestDisks,
    }
    qmp.onEvent((event) => this.#onEvent(event))
    this.finished = this.#watch()
  }

  /** The phase that the guest has told last, and since when (Unix seconds). */
  get phase(): { name: string; startTime: number } | undefined {
    const last = this.#phases.at(-1)
    if (!last || this.#bootTime === undefined) return undefined
    return { name: last.phase, startTime: this.#bootTime + last.uptime }
  }

  /** Ends the vm now: its run is abandoned. */
  async stop(reason: string): Promise<void> {
    this.#verdict ??= { outcome: 'abandoned', reason }
    this.#wake()
    await this.finished
  }

  #wake(): void {
    this.#woken.resolve()
  }

  async #watch(): Promise<VmEnd> {
    try {
      await this.#watchGuest()
    } catch (error) {
      this.#verdict ??= { outcome: 'failed', reason: messageOf(error) }
    }
    const lastSample = await this.#lastSample()
    const verdict = await this.#withConsole(this.#verdict ?? this.#ownVerdict())
    const end = { ...verdict, lastSample }
    // A journal that takes no more, on a full disk, must not leave a qemu behind.
    await this.#listener.ended(end).catch((error) => {
      this.#context.log.error({ vm: this.plan.name, err: error }, 'its end is not in the journal')
    })
    await this.#end()
    await removeVmRemains(this.plan, this.#context.hierarchy, verdict.outcome === 'failed')
    return end
  }

  /** Returns when the guest has powered off or a verdict is there; throws when the vm cannot go on. */
  async #watchGuest(): Promise<void> {
    const { status } = await this.record.qmp.command<{ status: string }>('query-status')
    if (status === 'shutdown') this.#guestOff = true // it went off while no kvmio watched
    if (this.plan.done && this.#phases.length === 0) this.#beginInstall()
    while (!this.#verdict && !this.#guestOff) {
      await this.#readPhases()
      await this.#balloon.follow(this.record.qmp, this.#phases)
      await this.#checkProcess()
      this.#checkDeadline()
      await Promise.race([sleep(POLL_MS), this.#woken.promise])
      this.#woken = Promise.withResolvers()
    }
    await this.#readPhases()
    if (this.plan.done && this.#guestOff) this.#addPhase(OFF)
  }

  /** A guest that says nothing is in one phase, from its start to its end. */
  #beginInstall(): void {
    this.#bootTime = this.#context.now()
    this.#listener.booted(this.#bootTime)
    this.#addPhase('install')
  }

  #addPhase(phase: string): void {
    const uptime = this.#context.now() - (this.#bootTime ?? 0)
    const row = { seq: (this.#phases.at(-1)?.seq ?? -1) + 1, phase, uptime }
    this.#phases.push(row)
    this.#listener.phases(this.#phaseLog.offset, [row])
  }

  async #readPhases(): Promise<void> {
    // A result whose end is still to come has to be read again from its beginning by a later kvmio.
    if (!this.#results.isOpen) this.#resultOffset = this.#phaseLog.offset
    const lines = await this.#phaseLog.read()
    if (lines.length === 0) return
    this.#setBootTime(lines)
    const phases = lines.flatMap((line) => this.#take(line))
    if (phases.length === 0) return
    this.#phases.push(...phases)
    this.#phaseSince = this.#context.now()
    const offset = this.#results.isOpen ? this.#resultOffset : this.#phaseLog.offset
    this.#listener.phases(offset, phases)
  }

  #take(line: PhaseLine): PhaseRow[] {
    const { seq, uptime } = line
    if (line.kind === 'result') return this.#takeResult(line)
    const isTold = seq <= (this.#phases.at(-1)?.seq ?? 0) // what was read again for a result's sake
    if (isTold && (line.kind === 'phase' || line.kind === 'end')) return []
    // A guest can tell that it boots only when its kernel has done most of it: the phase began with the guest's clock.
    if (line.kind === 'phase')
      return [{ seq, phase: line.phase, uptime: line.phase === 'boot' ? 0 : uptime }]
    if (line.kind === 'disk') {
      this.#disks.set(line.drive, { disk: line.disk, drive: line.drive, stat: line.stat })
    } else if (line.kind === 'error') {
      this.#errors.push(line.message)
    } else if (line.kind === 'end') {
      if (line.outcome === 'failed') {
        const reason = this.#errors.join('; ') || 'no error was given'
        this.#verdict ??= { outcome: 'failed', reason: `vm ${this.plan.name}: ${reason}` }
      }
      return [{ seq, phase: OFF, uptime }]
    }
    return []
  }

  #takeResult(line: PhaseResult): [] {
    try {
      const result = this.#results.take(line)
      if (result) this.#listener.result(result)
    } catch (error) {
      this.#verdict ??= {
        outcome: 'failed',
        reason: `vm ${this.plan.name}: ${messageOf(error)}`,
      }
    }
    return []
  }

  /** A line is read some time after it was written, so the earliest boot time that a line gives is the true one. */
  #setBootTime(lines: readonly PhaseLine[]): void {
    if (this.#bootTime !== undefined) return
    const now = this.#context.now()
    this.#bootTime = Math.min(...lines.map(({ uptime }) => now - uptime))
    this.#listener.booted(this.#bootTime)
  }

  async #checkProcess(): Promise<void> {
    if (this.record.qmp.isOpen) return // qemu holds its end of it as long as it lives
    const { procRoot } = this.#context
    if (!(await isSameProcess(procRoot, this.#process.pid, this.#process.startTicks))) {
      throw new KvmioError(await endingOf(this.plan, this.#process))
    }
    this.#context.log.warn({ vm: this.plan.name }, 'QMP connection lost, connecting again')
    const qmp = await Qmp.connect({
      name: `vm ${this.plan.name}`,
      path: vmFiles(this.plan.directory).qmp,
    })
    qmp.onEvent((event) => this.#onEvent(event))
    this.record.qmp = qmp
    const { status } = await qmp.command<{ status: string }>('query-status')
    if (status === 'shutdown') this.#guestOff = true
  }

  #checkDeadline(): void {
    const { boot, phase } = this.plan.deadlines
    const last = this.#phases.at(-1)
    const limit = last || this.plan.mayBeSilent ? phase : boot
    if (this.#context.now() - this.#phaseSince <= limit) return
    throw new KvmioError(
      last
        ? `vm ${this.plan.name} did not leave phase "${last.phase}" in ${limit} s`
        : `vm ${this.plan.name} did not reach phase "boot" in ${limit} s`,
    )
  }

  #onEvent({ event, data }: QmpEvent): void {
    if (event === 'SHUTDOWN') {
      this.#guestOff = true
      this.#offBy = String(data?.reason)
    }
    if (event === 'BLOCK_IO_ERROR' && data?.action === 'stop') {
      const drive = driveOfNode(String(data['node-name'] ?? ''))
      const why = data.nospace
        ? 'no space left under its image'
        : String(data.reason ?? 'I/O error')
      this.#verdict ??= {
        outcome: 'failed',
        reason: `vm ${this.plan.name}: drive ${drive}: ${data.operation} failed: ${why}`,
      }
    }
    this.#wake()
  }

  /** What the guest's own words say of how it went. */
  #ownVerdict(): VmEnd {
    if (this.plan.done) return installVerdict(this.plan.name, this.plan.done, this.#offBy)
    if (this.#phases.at(-1)?.phase === OFF) return { outcome: 'passed' }
    const last = this.#phases.at(-1)
    if (!last && this.plan.mayBeSilent && this.#guestOff) return { outcome: 'passed' }
    const when = last ? `in phase "${last.phase}"` : 'before its first phase'
    const reason = `vm ${this.plan.name} went off ${when} without saying how it ended`
    return { outcome: 'failed', reason }
  }

  async #lastSample(): Promise<LastSample | undefined> {
    const { qmp, guestDisks } = this.record
    if (!qmp.isOpen) return undefined
    const { neverTold } = this.#balloon
    if (neverTold !== undefined) this.#context.log.warn(`vm ${this.plan.name}: ${neverTold}`)
    try {
      const [drives, memory] = await Promise.all([readBlockStats(qmp), this.#balloon.last(qmp)])
      return { drives, guestDisks: guestDisks(), memory, ...(await this.#lastOfHost()) }
    } catch (error) {
      this.#context.log.warn({ vm: this.plan.name, err: error }, 'no last sample')
      return undefined
    }
  }

  /** What the host counted for its process and its cgroup; absent where it counts nothing. */
  async #lastOfHost(): Promise<Pick<LastSample, 'process' | 'cpuSeconds' | 'cgroup'>> {
    const { procRoot, hierarchy } = this.#context
    const { cgroup: path } = this.plan
    const { pid } = this.#process
    const [process, stat, cgroup] = await Promise.all([
      readProcIo(procRoot, pid).catch(() => undefined),
      readProcStat(procRoot, pid).catch(() => undefined),
      hierarchy && path !== undefined
        ? readCgroupIo(hierarchy, path).catch(() => undefined)
        : undefined,
    ])
    return {
      ...(process && { process }),
      ...(stat && { cpuSeconds: stat.cpuSeconds }),
      ...(cgroup && { cgroup }),
    }
  }

  /** Ends qemu: in order if it still listens. */
  async #end(): Promise<void> {
    const { procRoot, log } = this.#context
    const { qmp } = this.record
    if (qmp.isOpen) {
      await qmp
        .command('quit')
        .catch((error) => log.debug({ vm: this.plan.name, err: error }, 'quit'))
      await waitForEnd(this.#process, procRoot, QUIT_MS)
    }
    qmp.close()
    await endProcess(this.#process, procRoot, QUIT_MS)
  }

  async #withConsole(verdict: VmEnd): Promise<VmEnd> {
    if (verdict.outcome !== 'failed') return verdict
    const lines = await lastLines(vmFiles(this.plan.directory).consoleLog)
    return lines === ''
      ? verdict
      : { ...verdict, reason: `${verdict.reason}; last console lines:\n  ${lines}` }
  }
}

const ENDS = { 'power-off': 'guest-shutdown', reboot: 'guest-reset' } as const
const END_WORDS: Record<string, string> = {
  'guest-shutdown': 'it powered off',
  'guest-reset': 'it rebooted, as a kernel that panics may do too',
}

/** How an installer that says nothing went: it went off in the way that tells that it was done, or in another. */
export function installVerdict(
  vm: string,
  done: 'power-off' | 'reboot',
  offBy: string | undefined,
): VmEnd {
  if (offBy === ENDS[done]) return { outcome: 'passed' }
  if (offBy === undefined) {
    const reason = `vm ${vm} went off while no kvmio watched, so how its installer ended is not known`
    return { outcome: 'abandoned', reason }
  }
  const reason = `vm ${vm}: expected its installer to end with ${done}, but ${END_WORDS[offBy] ?? offBy}`
  return { outcome: 'failed', reason }
}

/** Removes a vm's cgroup and folder; of one that failed, the logs stay until its name is used again. */
export async function removeVmRemains(
  plan: Pick<VmPlan, 'directory' | 'cgroup'>,
  hierarchy: IoHierarchy | undefined,
  keepLogs: boolean,
): Promise<void> {
  if (hierarchy && plan.cgroup !== undefined) await removeCgroup(hierarchy, plan.cgroup)
  const { qmp, qmpDebug, console, phase } = vmFiles(plan.directory)
  for (const socket of [qmp, qmpDebug, console, phase]) await rm(socket, { force: true })
  if (!keepLogs) await rm(plan.directory, { recursive: true, force: true })
}
