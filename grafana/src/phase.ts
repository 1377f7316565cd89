import * as m from '../../src/metrics/catalog.ts'
import { HOST, series } from './query.ts'
import { PHASES } from './style.ts'

/** The number of the phase that each vm is in: by its place in PHASES, and the one after them for any other. */
export function inPhase(where: { vm?: string } = {}): string {
  const known = PHASES.map(({ text }) => text)
  const numbered = known.map(
    (phase, index) => `${series(m.vmPhase, { ...where, phase })} * ${index + 1}`,
  )
  const all = series(m.vmPhase, where)
  const other = `(${all} unless ${series(m.vmPhase, { ...where, phase: known.join('|') })})`
  return `max by (${HOST}, vm) (${[...numbered, `${other} * ${known.length + 1}`].join(' or ')})`
}
