import { placementProblem } from '../../config/placement.ts'
import { recordRamp, recordRampEnd, recordRampStep } from '../../journal/ramps.ts'
import { KvmioError, messageOf } from '../../lib/errors.ts'
import { formatSeconds } from '../../lib/quantities.ts'
import { floorProblem } from '../../storage/free-space.ts'
import { manifestOf } from '../case-run.ts'
import type { StudyContext } from '../context.ts'
import { mean } from '../load-window.ts'
import type { CasePlan } from '../plan.ts'
import { spaceNeeded, spaceProblem } from '../space.ts'
import { type Placement, planVms } from '../vm-plans.ts'
import type { Learned, RampEvent, RampStepSummary, RampSummary, Repetition } from './event.ts'
import { leastRoom, memoryRoom, mostFitting, type RampBound, type Room } from './host.ts'
import { densityOf, leastMissed, nextVms, orderOf, type Tried } from './search.ts'
import { runStep, type StepFigures } from './step.ts'
import type { RampTask } from './task.ts'
import { metTarget } from './verdict.ts'

/** The demand is learnt from no more: a prediction from as many as are predicted would be none. */
const LEARN_VMS = 4
/** A step that is void is tried so often. */
const TRIES = 3
const TELLS_NOTHING: readonly RampBound[] = ['cpu', 'time']
/** What a step takes beside its waiting, until one has shown it. */
const START_SECONDS = 30

/** What a step's vms are made from. */
export interface RampPlan {
  name: string
  point: CasePlan
  placement: Placement
}

/** One ramp, from its first vm to its end in the journal. */
export class Ramp {
  readonly #task: RampTask
  readonly #plan: RampPlan
  readonly #context: StudyContext
  readonly #tell: (event: RampEvent) => void
  readonly #signal: AbortSignal
  readonly #began = performance.now()
  readonly #summary: RampSummary
  /** Bytes that one vm took, as the last step had it. */
  #memory: number | undefined
  /** What a step took beside its settling and holding, a vm, seconds. */
  #startSeconds = START_SECONDS

  constructor(
    task: RampTask,
    plan: RampPlan,
    context: StudyContext,
    tell: (event: RampEvent) => void,
    signal: AbortSignal,
  ) {
    this.#task = task
    this.#plan = plan
    this.#context = context
    this.#tell = tell
    this.#signal = signal
    const { tier, guest, workload, seed, settings } = task
    this.#summary = {
      tier,
      guest: guest.name,
      workload,
      target: settings.target,
      seed,
      learned: { vms: 0, seconds: 0 },
      densities: [],
      steps: [],
      repetitions: [],
    }
  }

  async run(): Promise<RampSummary> {
    try {
      await this.#predict()
      for (let repetition = 1; repetition <= this.#task.repetitions; repetition++) {
        const found = await this.#climb(repetition)
        // One that the time cut short says less than those before it.
        if (found.bound !== 'time' || repetition === 1) this.#summary.repetitions.push(found)
        if (found.bound !== 'time') continue
        const limit = formatSeconds(this.#task.timeLimit)
        this.#summary.reason = `the time limit of ${limit} came in repetition ${repetition} of ${this.#task.repetitions}`
        break
      }
      this.#conclude()
    } catch (error) {
      this.#summary.reason = this.#signal.aborted ? endedBy(this.#signal) : messageOf(error)
      this.#end()
      if (!this.#signal.aborted) throw error
    }
    return this.#summary
  }

  /** Learns from a few vms, and writes down what is predicted from that before the first step. */
  async #predict(): Promise<void> {
    const { tier, guest } = this.#task
    const learned = await this.#learn()
    const densities = await this.#task.predict(learned)
    Object.assign(this.#summary, { learned, densities })
    this.#summary.ramp = recordRamp(this.#context.journal, {
      tier,
      guest: guest.name,
      manifest: await this.#manifest(),
      prediction: { learned, densities },
    })
    this.#tell({ type: 'predicted', learned, densities })
  }

  async #learn(): Promise<Learned> {
    const { vms: most } = await this.#room()
    const vms = Math.min(LEARN_VMS, most)
    if (vms === 0) return { vms, seconds: 0 }
    this.#tell({ type: 'learning', vms })
    const { figures } = await this.#try(0, vms)
    const { seconds = 0, demand, operations, memory, vms: all = [] } = figures
    return {
      vms,
      seconds,
      ...(demand && { demand }),
      ...(all.length > 0 && {
        transactionsPerSecond: mean(all.map((vm) => vm.transactionsPerSecond)),
      }),
      ...(memory !== undefined && { memory }),
      ...(operations && { operations }),
    }
  }

  async #climb(repetition: number): Promise<Repetition> {
    const { seed, repetitions } = this.#task
    const order = orderOf(repetition, seed)
    const broken = this.#summary.steps.filter(({ verdict }) => verdict === 'missed')
    const ceiling = leastMissed(broken.map(({ vms }) => ({ vms, met: false })))
    const tried: Tried[] = []
    const limits = new Map<number, RampBound>()
    for (;;) {
      const room = await this.#room()
      const search = { order, max: room.vms, ceiling, seed: seed + repetition }
      const vms = nextVms(search, tried)
      if (vms === undefined) {
        const missed = leastMissed(tried)
        const bound = missed === undefined ? room.bound : (limits.get(missed) ?? 'latency')
        return { order, vms: densityOf(tried), bound }
      }
      if (this.#isLate(vms)) return { order, vms: densityOf(tried), bound: 'time' }
      this.#tell({ type: 'step-started', repetition, of: repetitions, order, vms })
      const { verdict, figures } = await this.#try(repetition, vms)
      if (figures.limit) limits.set(vms, figures.limit)
      tried.push({ vms, met: verdict === 'met' })
    }
  }

  /** One step, again where it is void. A limit of the host that was exceeded makes it void too, and stands. */
  async #try(repetition: number, vms: number): Promise<RampStepSummary> {
    for (let tries = 1; ; tries++) {
      const figures = await this.#step(vms)
      const isVoid = figures.limit !== undefined || figures.reason !== undefined
      const verdict = isVoid ? 'void' : metTarget(figures.vms ?? []) ? 'met' : 'missed'
      const step = {
        seq: this.#summary.steps.length + 1,
        repetition,
        vms,
        verdict,
        figures,
      } as const
      if (repetition > 0) this.#keep(step)
      if (!isVoid || figures.limit) return step
      if (tries === TRIES) {
        throw new KvmioError(
          `a step with ${vms} vms was void ${TRIES} times, the last time because ${figures.reason}`,
        )
      }
    }
  }

  async #step(vms: number): Promise<StepFigures> {
    const { name, point, placement } = this.#plan
    const { tier, settings, limits } = this.#task
    const began = performance.now()
    const study = { ...point.study, vms }
    const plans = planVms(name, { ...point, study }, placement)
    const task = { tier, plans, settings, limits, hostCache: study.hostCache }
    const figures = await runStep(task, this.#context, this.#signal)
    this.#memory = figures.memory ?? this.#memory
    const took = (performance.now() - began) / 1000 - settings.settle - settings.hold
    if (figures.seconds !== undefined) this.#startSeconds = took / vms
    return figures
  }

  #keep(step: RampStepSummary): void {
    this.#summary.steps.push(step)
    recordRampStep(this.#context.journal, this.#summary.ramp!, step)
    this.#tell({ type: 'step-ended', ...step })
  }

  /** Whether a step would end after the limit. */
  #isLate(vms: number): boolean {
    const { settle, hold } = this.#task.settings
    const elapsed = (performance.now() - this.#began) / 1000
    return elapsed + this.#startSeconds * vms + settle + hold > this.#task.timeLimit
  }

  /** How many vms a step may have now that none of them runs. */
  async #room(): Promise<Room> {
    const { max, guest, limits } = this.#task
    const memory = await this.#context.memory()
    const [one, other]: [Room, Room] = [
      { vms: max, bound: 'max' },
      memoryRoom(memory, guest.config.memory, this.#memory, limits),
    ]
    const room = leastRoom([one, other])
    const fits = (vms: number) => this.#fits(vms)
    return leastRoom([room, { vms: await mostFitting(room.vms, fits), bound: 'space' }])
  }

  async #fits(vms: number): Promise<boolean> {
    const { point } = this.#plan
    const { tier, stateDir, freeSpaceFloor } = this.#context
    const study = { ...point.study, vms }
    const cases = [{ ...point, study }]
    if (placementProblem(point.guest, vms, (name) => tier(name)?.config) !== undefined) return false
    if ((await spaceProblem(cases, tier)) !== undefined) return false
    const needs = [...spaceNeeded(cases)].flatMap(([name, bytes]) => {
      const open = tier(name)
      return open ? [{ tier: open, bytes }] : []
    })
    return (await floorProblem(needs, stateDir, freeSpaceFloor())) === undefined
  }

  async #manifest(): Promise<unknown> {
    const { guest, study, workload, settings, repetitions, max, timeLimit, seed, limits } =
      this.#task
    const of = { workload, ...settings, repetitions, max, timeLimit, seed, limits }
    const facts = (await manifestOf(guest.config, this.#context)) as object
    return { ...facts, guest: guest.config, ramp: of, does: study.workload }
  }

  /** The least of the repetitions, by what bound that one. */
  #conclude(): void {
    const [first, ...rest] = this.#summary.repetitions
    if (!first) throw new TypeError('a ramp ended without a repetition')
    const least = rest.reduce((low, next) => (next.vms < low.vms ? next : low), first)
    this.#summary.bound = least.bound
    // That not one could be tried, on a host that is busy with other things, says nothing of the tier.
    if (least.vms > 0 || !TELLS_NOTHING.includes(least.bound)) this.#summary.measured = least.vms
    this.#end()
  }

  #end(): void {
    const { ramp, measured, bound, reason } = this.#summary
    if (ramp === undefined) return
    recordRampEnd(this.#context.journal, ramp, { measured, bound, reason })
  }
}

function endedBy({ reason }: AbortSignal): string {
  return `ended by ${typeof reason === 'string' ? reason : 'the user'}`
}
