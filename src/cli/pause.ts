import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConfig } from '../config/load.ts'
import { Journal } from '../journal/journal.ts'
import { pauseStudy, resumeStudy } from '../journal/pauses.ts'
import { UnavailableError } from '../lib/errors.ts'
import type { CommonOptions } from './options.ts'
import { findStudies } from './studies.ts'

export interface PauseOptions extends CommonOptions {
  /** As findStudies() reads them. */
  studies: readonly string[]
}

/** Writes it into the journal, where the kvmio that runs the study finds it before the next run, and so does a later one. */
export async function pause(options: PauseOptions): Promise<void> {
  await each(options, (journal, name) =>
    pauseStudy(journal, name)
      ? `study ${name} waits before its next run, until "kvmio resume ${name}"`
      : `study ${name} is paused already`,
  )
}

/** Takes it back. */
export async function resume(options: PauseOptions): Promise<void> {
  await each(options, (journal, name) =>
    resumeStudy(journal, name) ? `study ${name} goes on` : `study ${name} was not paused`,
  )
}

async function each(
  { configFile, studies }: PauseOptions,
  change: (journal: Journal, name: string) => string,
): Promise<void> {
  const config = await loadConfig(configFile)
  const found = await findStudies(studies, config)
  const file = join(config.state, 'journal.sqlite')
  await access(file).catch((error) => {
    throw new UnavailableError(`${file}: there is none; no study has run yet`, { cause: error })
  })
  const journal = new Journal(file)
  try {
    for (const { name } of found) process.stdout.write(`${change(journal, name)}\n`)
  } finally {
    journal.close()
  }
}
