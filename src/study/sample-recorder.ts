import type { Journal } from '../journal/journal.ts'
import { recordSamples, type SampleRow } from '../journal/samples.ts'
import type { Log } from '../lib/log.ts'
import type { SecondRates, StudyContext } from './context.ts'

// A write each second would be a load of its own on the disk that is measured.
const BATCH_SECONDS = 10

export interface SampledRun {
  id: number
  /** Unix seconds. */
  startedAt: number
  vms: readonly string[]
  devices: readonly string[]
}

/** Keeps each second of a run's vms and devices in the journal; a kvmio that is killed loses the last few. */
export class SampleRecorder {
  readonly #run: SampledRun
  readonly #journal: Journal
  readonly #log: Log
  readonly #unsubscribe: () => void
  #rows: SampleRow[] = []
  #seconds = 0

  constructor(
    run: SampledRun,
    { journal, vm, onSecond }: Pick<StudyContext, 'journal' | 'vm' | 'onSecond'>,
  ) {
    this.#run = run
    this.#journal = journal
    this.#log = vm.log
    this.#unsubscribe = onSecond((second) => this.#take(second))
  }

  stop(): void {
    this.#unsubscribe()
    this.#write()
  }

  #take(second: SecondRates): void {
    const at = Math.round((this.#journal.now() - this.#run.startedAt) * 1000) / 1000
    const add = (
      kind: SampleRow['kind'],
      names: readonly string[],
      rates: ReadonlyMap<string, number>,
    ) => {
      for (const name of names) {
        const rate = rates.get(name)
        if (rate !== undefined)
          this.#rows.push({ kind, name, at, transactions: Math.round(rate * 100) / 100 })
      }
    }
    add('vm', this.#run.vms, second.vms)
    add('device', this.#run.devices, second.devices)
    this.#seconds += 1
    if (this.#seconds % BATCH_SECONDS === 0) this.#write()
  }

  /** Samples that cannot be kept cost no run. */
  #write(): void {
    const rows = this.#rows
    this.#rows = []
    try {
      recordSamples(this.#journal, this.#run.id, rows)
    } catch (error) {
      this.#log.warn({ err: error, run: this.#run.id }, 'seconds of the run are not kept')
    }
  }
}
