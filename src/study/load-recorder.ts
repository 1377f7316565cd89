import type { VmPlan } from '../guest/plan.ts'
import type { RunningVm } from '../guest/running-vm.ts'
import type { SecondRates, StudyContext } from './context.ts'
import type { RunSummary } from './event.ts'
import { mean, windowMeans } from './load-window.ts'

// The paper counts transactions per second by eye on iostat's lines; ten seconds smooth a queue's jitter away.
const WINDOW_SECONDS = 10

/** The phases in which a workload does what is to be measured. */
const LOAD_PHASES = ['write', 'fio', 'script', 'idle', 'install', 'unpack', 'configure']

/** Keeps the transactions per second of the seconds in which the vms of a run write. */
export class LoadRecorder {
  readonly #members: readonly { plan: VmPlan; vm?: RunningVm }[]
  readonly #devices = new Map<string, { tier: string; perSecond: number[] }>()
  readonly #vmRates: number[] = []
  readonly #stolen: number[] = []
  readonly #busy: number[] = []
  readonly #unsubscribe: () => void
  #allWrote = false

  constructor(
    members: readonly { plan: VmPlan; vm?: RunningVm }[],
    context: Pick<StudyContext, 'tier' | 'onSecond'>,
  ) {
    this.#members = members
    for (const { plan } of members) {
      for (const { tier } of plan.drives) {
        const device = context.tier(tier)?.tier.device
        if (device !== undefined) this.#devices.set(device, { tier, perSecond: [] })
      }
    }
    this.#unsubscribe = context.onSecond((second) => this.#take(second))
  }

  stop(): void {
    this.#unsubscribe()
  }

  summary(): Pick<RunSummary, 'vmTransactions' | 'devices' | 'stolen'> {
    const devices = [...this.#devices].flatMap(([device, { tier, perSecond }]) => {
      const window = windowMeans(perSecond, WINDOW_SECONDS)
      return window ? [{ tier, device, ...window }] : []
    })
    return { vmTransactions: meanOf(this.#vmRates), devices, stolen: meanOf(this.#stolen) }
  }

  /** What the processors did while the vms wrote, as shares of their time. */
  get cpu(): { busy?: number; stolen?: number } {
    return { busy: meanOf(this.#busy), stolen: meanOf(this.#stolen) }
  }

  /** Transactions per second of a device while all vms wrote. */
  loadOf(device: string): number | undefined {
    return meanOf(this.#devices.get(device)?.perSecond ?? [])
  }

  /** Transactions per second of all devices together while all vms wrote. */
  get load(): number | undefined {
    const rates = [...this.#devices.keys()].flatMap((device) => this.loadOf(device) ?? [])
    return rates.length === 0 ? undefined : rates.reduce((sum, rate) => sum + rate, 0)
  }

  #take({ devices, vms, stolen, busy }: SecondRates): void {
    const writing = this.#members.filter(({ vm }) => LOAD_PHASES.includes(vm?.phase?.name ?? ''))
    if (writing.length > 0 && stolen !== undefined) this.#stolen.push(stolen)
    if (writing.length > 0 && busy !== undefined) this.#busy.push(busy)
    for (const { plan } of writing) {
      const rate = vms.get(plan.name)
      if (rate !== undefined) this.#vmRates.push(rate)
    }
    // A device is under the whole load only while all of them write, and the second in which that began is cut.
    const whole = this.#allWrote
    this.#allWrote = writing.length === this.#members.length
    if (!whole || !this.#allWrote) return
    for (const [device, { perSecond }] of this.#devices) {
      const rate = devices.get(device)
      if (rate !== undefined) perSecond.push(rate)
    }
  }
}

function meanOf(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : mean(values)
}
