import { readFile } from 'node:fs/promises'
import { ConfigError, codeOf, messageOf } from '../lib/errors.ts'
import { isLines } from './paths.ts'
import type { StudyConfig } from './schema.ts'

/** It goes to the guest by fw_cfg, and into the journal with each vm. */
const MAX_BYTES = 64 * 2 ** 10

/**
 * The study with what its workload's files say in place of their paths, so that a change of theirs is a change of the
 * study. Throws a {@link ConfigError} that names the key.
 */
export async function withWorkloadText(name: string, study: StudyConfig): Promise<StudyConfig> {
  const { workload } = study
  if (workload.kind === 'fio' && !isLines(workload.job)) {
    const text = await read(workload.job, `studies.${name}.workload.fio.job`)
    return { ...study, workload: { ...workload, job: `${text}\n` } }
  }
  if (workload.kind === 'script' && workload.file !== undefined) {
    const { file, ...rest } = workload
    const text = await read(file, `studies.${name}.workload.script.file`)
    return { ...study, workload: { ...rest, run: text } }
  }
  return study
}

async function read(file: string, key: string): Promise<string> {
  try {
    const text = await readFile(file, 'utf8')
    if (text.length <= MAX_BYTES && text !== '') return text
    const got = text === '' ? 'an empty one' : `${text.length} characters`
    throw new ConfigError([`${key}: expected a file of 1 to ${MAX_BYTES} characters, got ${got}`])
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const why = codeOf(error) === 'ENOENT' ? 'no such file' : messageOf(error)
    throw new ConfigError([`${key}: expected a file that can be read, got ${file}: ${why}`])
  }
}
