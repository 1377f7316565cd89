import { join } from 'node:path'
import { valueWord } from './factors.ts'
import { axesOf, countProducts, expandMatrix, MAX_CASES, type MatrixPoint } from './matrix.ts'
import { type Path, type Problem, shown } from './problems.ts'
import type { Readable } from './readable.ts'
import type { StudyConfig } from './schema.ts'

// A vm is called <study>-<case>-<slot>, and its sockets lie in <state>/vms/<vm>/.

/** sun_path holds 108 bytes, the last one 0: https://man7.org/linux/man-pages/man7/unix.7.html */
const MAX_SOCKET_PATH = 107
/** That of a DNS label, so that a vm can be called in its guest what it is called here. */
const MAX_VM_NAME = 63

export type ReadableStudy = Readable<StudyConfig>

/** A study under the name that its vms have, and where in its file it stands. */
export interface NamedStudy {
  name: string
  place: Path
  study: ReadableStudy
}
export type Studies = readonly NamedStudy[]

/** What is wrong with the names that the study's vms would have, as seen from the study. */
export function nameProblems(name: string, study: ReadableStudy): Problem[] {
  const repeated = axesOf(study).flatMap(({ values }) =>
    values.flatMap(({ value, place }, index) => {
      const first = values.findIndex((other) => valueWord(other.value) === valueWord(value))
      if (first === index) return []
      const message = `expected values with names of their own, got ${shown(value)} after ${shown(values[first]!.value)}`
      return [{ path: place, at: 'value' as const, message }]
    }),
  )
  const cases = countProducts(study)
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
  for (const { name, place, study } of studies) {
    for (const vm of vmNames(name, study)) {
      const owner = owners.get(vm)
      owners.set(vm, owner ?? name)
      if (owner === undefined || problems.has(name)) continue
      const others = owner === name ? 'twice' : `as in study ${owner}`
      const message = `expected cases with names of their own, got ${vm} ${others}`
      problems.set(name, { path: place, at: 'key', message })
    }
  }
  return [...problems.values()]
}

/** `<study>-<case>` of each case; none of a study that has mistakes of its own in its names. */
function vmNames(name: string, study: ReadableStudy): string[] {
  if (nameProblems(name, study).length > 0) return []
  return expandMatrix(study).map((point) => `${name}-${point.name}`)
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
  return expandMatrix(study)
    .map((point) => `${name}-${point.name}-${vmsOf(point, study)}`)
    .reduce((longest, vm) => (vm.length > longest.length ? vm : longest), '')
}

function vmsOf({ settings }: MatrixPoint, study: ReadableStudy) {
  return settings.vms ?? study.settings?.vms ?? study.vms ?? 1
}

/** The bytes that the state directory's path may have at most, so that the sockets of such a vm have room. */
function stateRoom(vm: string): number {
  return MAX_SOCKET_PATH - Buffer.byteLength(join('/', 'vms', vm, 'qmp-debug.sock'))
}
