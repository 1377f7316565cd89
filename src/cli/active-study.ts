import type { ActiveStudy } from '../attribution/records.ts'
import type { StudyEvent } from '../study/event.ts'

/** Keeps what is known of a study that goes on up to what it tells. */
export function follow(active: ActiveStudy, event: StudyEvent): void {
  switch (event.type) {
    case 'run-started':
      active.run = { case: event.case, block: event.block, id: event.run }
      break
    case 'run-ended':
      active.run = undefined
      break
    case 'paused':
      active.paused = event.cause
      break
    case 'resumed':
      active.paused = undefined
      break
    case 'progress': {
      const { done, of, planned, left } = event
      active.progress = { done, of, planned, left }
    }
  }
}
