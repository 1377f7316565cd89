import { choice, type Problem, shown, suggestion } from './problems.ts'
import type { StudyConfig } from './schema.ts'
import type { WorkloadConfig } from './workload-schema.ts'

/** What the built-in installer goes through between its boot and its shutdown. */
const INSTALL_PHASES = ['partition', 'mkfs', 'unpack', 'configure', 'bootloader']

/** The phases of the workloads whose phases are kvmio's own; a script may have any. */
export const PHASES: Partial<Record<WorkloadConfig['kind'], readonly string[]>> = {
  install: ['boot', ...INSTALL_PHASES, 'install', 'shutdown'],
  'boot-write-shutdown': ['boot', 'prepare', 'write', 'settle', 'shutdown'],
  idle: ['boot', 'idle', 'shutdown'],
  fio: ['boot', 'prepare', 'fio', 'shutdown'],
}

/** Not a phase: the mean of the transactions per second that the tiers' devices did. */
export const TPS = 'tps'

const MEASURES: Record<WorkloadConfig['kind'], string> = {
  install: 'install',
  'boot-write-shutdown': 'write',
  idle: TPS,
  fio: 'fio',
  script: 'script',
}

/** What the cases of a study are compared by: a phase, or TPS. */
export function measureOf({ measure, workload }: Pick<StudyConfig, 'measure' | 'workload'>) {
  return measure ?? MEASURES[workload.kind]
}

/** The phases whose times a measure adds up: an installation is all that the built-in installer does. */
export function phasesOf(measure: string): string[] {
  return measure === 'install' ? [...INSTALL_PHASES, 'install'] : [measure]
}

/** A measure that no run has would leave a study without a result. */
export function measureProblems(measure: unknown, kind: WorkloadConfig['kind']): Problem[] {
  const phases = PHASES[kind]
  if (typeof measure !== 'string' || !phases || [...phases, TPS].includes(measure)) return []
  const known = [...phases, TPS]
  const message = `expected a phase of ${kind} or tps: ${choice(known)}, got ${shown(measure)}${suggestion(measure, known)}`
  return [{ path: ['measure'], at: 'value', message }]
}
