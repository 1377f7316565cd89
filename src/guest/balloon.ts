import type { VmBalloon } from '../attribution/records.ts'
import type { PhaseRow } from '../journal/runs.ts'
import { type BalloonState, readBalloon, setBalloonTarget } from '../source/balloon.ts'
import type { Qmp } from '../source/qmp.ts'
import { type ProportionalMemory, readProportionalMemory } from '../source/smaps.ts'
import type { VmPlan } from './plan.ts'

/** What a vm had of memory at its end, as it is journalled. */
export interface LastMemory {
  /** What its qemu took of the host. */
  process?: ProportionalMemory
  balloon?: BalloonState & {
    targetBytes: number
    /** What qemu took just before the target was set; absent when that was before the guest ran. */
    processBefore?: ProportionalMemory
  }
}

/** The balloon of one vm: told its target when the phase for it begins. */
export class Balloon {
  readonly record: VmBalloon
  readonly #plan: VmPlan
  readonly #procRoot: string
  readonly #pid: number
  #told = false
  #processBefore: ProportionalMemory | undefined

  /** With the phases that the guest of a vm that was taken over has told: its target may have been set by then. */
  constructor(plan: VmPlan, procRoot: string, pid: number, phases: readonly PhaseRow[]) {
    this.#plan = plan
    this.#procRoot = procRoot
    this.#pid = pid
    this.record = { targetBytes: this.#due(phases) ?? plan.memoryBytes }
  }

  /** Sets the target if it is time. Of a vm that was taken over it may be set already: once more does no harm. */
  async follow(qmp: Qmp, phases: readonly PhaseRow[]): Promise<void> {
    const targetBytes = this.#due(phases)
    if (this.#told || targetBytes === undefined || !qmp.isOpen) return
    if (this.#plan.balloon?.at !== undefined) this.#processBefore ??= await this.#readProcess()
    try {
      await setBalloonTarget(qmp, targetBytes)
    } catch (error) {
      if (qmp.isOpen) throw error
      return // it is set over the next connection
    }
    this.record.targetBytes = targetBytes
    this.#told = true
  }

  /** The target, once the guest is to be told of it. */
  #due(phases: readonly PhaseRow[]): number | undefined {
    const { targetBytes, at } = this.#plan.balloon ?? {}
    return at === undefined || phases.some(({ phase }) => phase === at) ? targetBytes : undefined
  }

  /** Why the target was never set, when there is one and its phase never came. */
  get neverTold(): string | undefined {
    const { targetBytes, at } = this.#plan.balloon ?? {}
    if (this.#told || targetBytes === undefined || at === undefined) return undefined
    return `its balloon was left alone, since the guest had no phase "${at}"`
  }

  /** What it came to, before qemu quits. */
  async last(qmp: Qmp): Promise<LastMemory> {
    const process = await this.#readProcess()
    if (!this.#plan.balloon) return { process }
    const balloon = { ...(await readBalloon(qmp)), ...this.record }
    return { process, balloon: { ...balloon, processBefore: this.#processBefore } }
  }

  /** Undefined where this host does not let it be read: a vm is worth more than a figure. */
  #readProcess(): Promise<ProportionalMemory | undefined> {
    return readProportionalMemory(this.#procRoot, this.#pid).catch(() => undefined)
  }
}
