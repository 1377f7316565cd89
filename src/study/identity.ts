import { createHash } from 'node:crypto'
import type { GuestConfig, StudyConfig } from '../config/schema.ts'

/**
 * What makes two executions of a study the same one, so that the second goes on where the first one stopped: all that it
 * and its guest say, except how often and when it runs.
 */
export function studyHash(study: StudyConfig, guest: GuestConfig): string {
  const { blocks: _, tries: __, schedule: ___, ...what } = study
  return createHash('sha256')
    .update(JSON.stringify({ study: what, guest }))
    .digest('hex')
}
