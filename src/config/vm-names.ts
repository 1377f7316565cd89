import { join } from 'node:path'
import { type FactorValue, valueWord } from './factors.ts'
import { type Problem, shown } from './problems.ts'
import type { Readable } from './readable.ts'
import type { StudyConfig } from './schema.ts'

// A vm is called <study>-<case>-<slot>, and its sockets lie in <state>/vms/<vm>/.

/** sun_path holds 108 bytes, the last one 0: https://man7.org/linux/man-pages/man7/unix.7.html */
const MAX_SOCKET_PATH = 107
/** That of a DNS label, so that a vm can be called in its guest what it is called here. */
const MAX_VM_NAME = 63
/** More would take years. */
const MAX_CASES = 10_000

export type ReadableStudy = Readable<StudyConfig>
export type Studies = readonly { name: string; study: ReadableStudy }[]
export type FactorValues = readonly (FactorValue | undefined)[]

/** What is wrong with the names that the study's vms would have. */
export function nameProblems(name: string, study: ReadableStudy): Problem[] {
  const factors = factorsOf(study)
  const repeated = factors.flatMap(([path, values]) =>
    values.flatMap((value, index) => {
      if (value === undefined) return []
      const first = values.findIndex(
        (other) => other !== undefined && valueWord(other) === valueWord(value),
      )
      if (first === index) return []
      const message = `expected values with names of their own, got ${shown(value)} after ${shown(values[first])}`
      return [{ path: ['factors', path, index], at: 'value' as const, message }]
    }),
  )
  const cases = factors.reduce((product, [, values]) => product * values.length, 1)
  if (cases > MAX_CASES) {
    const message = `expected at most ${MAX_CASES} cases, got ${cases}`
    return [...repeated, { path: ['factors'], at: 'key', message }]
  }
  const longest = longestVmName(name, study)
  if (longest.length <= MAX_VM_NAME) return repeated
  const message = `expected names of vms (study, case, slot) of at most ${MAX_VM_NAME} characters, got ${longest} with ${longest.length}`
  return [...repeated, { path: [], at: 'key', message }]
}

/** What is wrong with two studies, or two cases of one, whose vms would have the same names. */
export function sameNames(studies: Studies): Problem[] {
  const owners = new Map<string, string>()
  const problems = new Map<string, Problem>()
  for (const { name, study } of studies) {
    for (const vm of vmNames(name, study)) {
      const owner = owners.get(vm)
      owners.set(vm, owner ?? name)
      if (owner === undefined || problems.has(name)) continue
      const others = owner === name ? 'twice' : `as in study ${owner}`
      const message = `expected cases with names of their own, got ${vm} ${others}`
      problems.set(name, { path: ['studies', name], at: 'key', message })
    }
  }
  return [...problems.values()]
}

/** `<study>-<case>` of each case; none of a study that has mistakes of its own in its names. */
function vmNames(name: string, study: ReadableStudy): string[] {
  if (nameProblems(name, study).length > 0) return []
  return factorsOf(study).length === 0
    ? [`${name}-only`]
    : factorsOf(study).reduce(
        (names, [, values]) =>
          names.flatMap((begin) => wordsOf(values).map((word) => `${begin}-${word}`)),
        [name],
      )
}

/** What is wrong when the sockets of the vms do not fit below the state directory. */
export function longPaths(
  studies: Studies,
  state: string,
  place: Pick<Problem, 'path' | 'at'>,
): Problem[] {
  const fitting = studies.filter(({ name, study }) => nameProblems(name, study).length === 0)
  const [longest] = fitting
    .map(({ name, study }) => longestVmName(name, study))
    .sort((a, b) => b.length - a.length)
  if (longest === undefined) return []
  const [room, length] = [stateRoom(longest), Buffer.byteLength(state)]
  if (length <= room) return []
  const socket = `vms/${longest}/qmp-debug.sock`
  const message =
    `expected a state directory whose path has at most ${room} bytes, since the socket ${socket} below it ` +
    `must keep the kernel's limit of ${MAX_SOCKET_PATH}, got ${length}: ${state}`
  return [{ ...place, message }]
}

function longestVmName(name: string, study: ReadableStudy): string {
  const words = factorsOf(study).map(
    ([, values]) => wordsOf(values).sort((a, b) => b.length - a.length)[0] ?? '',
  )
  const vms = (study.factors?.vms ?? [study.vms]).map((value) => String(value ?? 1))
  const slot = Math.max(...vms.map((value) => value.length))
  return `${name}-${words.join('-') || 'only'}-${vms.find(({ length }) => length === slot)}`
}

/** The bytes that the state directory's path may have at most, so that the sockets of such a vm have room. */
function stateRoom(vm: string): number {
  return MAX_SOCKET_PATH - Buffer.byteLength(join('/', 'vms', vm, 'qmp-debug.sock'))
}

/** The factors of a study; a value with a mistake is undefined. */
export function factorsOf(study: ReadableStudy): [path: string, values: FactorValues][] {
  return Object.entries(study.factors ?? {}).map(([path, values]) => [path, values ?? []])
}

/** The values of a factor as they stand in names. */
function wordsOf(values: FactorValues): string[] {
  return values.filter((value) => value !== undefined).map(valueWord)
}
