import type { ActiveStudy } from '../../attribution/records.ts'
import type { StudyEvent } from '../../study/event.ts'
import type { StudyState } from '../../web/live/state.ts'

interface Notes {
  waiting?: string
  startedAt?: number
  /** When the time that is left was told. */
  toldAt?: number
}

/** The studies that go on, with what their events tell beside it. */
export class LiveStudies {
  /** Unix seconds. */
  readonly #now: () => number
  readonly #notes = new Map<string, Notes>()

  constructor(now: () => number) {
    this.#now = now
  }

  take(event: StudyEvent): void {
    const notes = this.#notes.get(event.study) ?? {}
    this.#notes.set(event.study, notes)
    if (event.type === 'waiting') notes.waiting = event.for
    if (event.type === 'progress') notes.toldAt = this.#now()
    if (event.type === 'run-ended') notes.startedAt = undefined
    if (event.type === 'run-started') {
      notes.waiting = undefined
      notes.startedAt = this.#now()
    }
  }

  of(studies: readonly ActiveStudy[]): StudyState[] {
    const names = new Set(studies.map(({ name }) => name))
    for (const name of this.#notes.keys()) if (!names.has(name)) this.#notes.delete(name)
    return studies.map(({ name, run, paused, progress }) => {
      const { waiting, startedAt, toldAt = this.#now() } = this.#notes.get(name) ?? {}
      return {
        name,
        ...(run && { run: { ...run, startedAt } }),
        paused,
        ...(!run && { waiting }),
        ...(progress && {
          done: progress.done,
          of: progress.of,
          planned: progress.planned,
          left: leftNow(progress.left, paused ? 0 : this.#now() - toldAt),
        }),
      }
    })
  }
}

function leftNow(left: number | undefined, since: number): number | undefined {
  return left === undefined ? undefined : Math.max(0, left - since)
}
