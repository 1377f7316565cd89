import { z } from 'zod'

export type Path = readonly (string | number)[]

/** One mistake in a config. */
export interface Problem {
  path: Path
  /** What of the path it is about: `key` where the value is missing or not at fault. */
  at: 'key' | 'value'
  /** What was expected and what was found. */
  message: string
}

/** What is wrong with a value by its schema alone. */
export function schemaProblems(schema: z.core.$ZodType, value: unknown): Problem[] {
  const { error } = z.safeParse(schema, value, { error: expectation })
  return (error?.issues ?? []).flatMap((issue) => issueProblems(issue, value))
}

/** What was found, on one line: text in quotes, numbers as they are, what is large by its kind. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (typeof value === 'string') {
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  }
  if (typeof value !== 'object') return String(value)
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  const keys = Object.keys(value)
  return keys.length === 0 ? 'an empty mapping' : `a mapping with ${keys.slice(0, 8).join(', ')}`
}

const MAX_MISSPELT = 64

/** `; did you mean cache?` when one of the names is what was probably meant. */
export function suggestion(name: string, names: readonly string[]): string {
  if (name.length > MAX_MISSPELT) return ''
  const [nearest] = names
    .map((known) => ({ known, edits: editDistance(name, known) }))
    .filter(({ known, edits }) => edits <= Math.max(2, known.length / 3) && edits < known.length)
    .sort((a, b) => a.edits - b.edits)
  return nearest ? `; did you mean ${nearest.known}?` : ''
}

/** What to say of a name that stands for nothing. */
export function unknownName(kind: string, name: string, known: readonly string[]): string {
  const found = `got ${shown(name)}${suggestion(name, known)}`
  return known.length === 0
    ? `expected a ${kind}, but there is none, ${found}`
    : `expected a ${kind}: ${choice(known)}, ${found}`
}

/** `a, b or c`. */
export function choice(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
}

type RawIssue = Parameters<z.core.$ZodErrorMap>[0]

const KINDS: Record<string, string> = {
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
}

/** The words for what a schema without words of its own expects. */
function expectation(issue: RawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return KINDS[issue.expected]
    case 'invalid_value':
      return choice(issue.values.map(String))
    case 'unrecognized_keys':
      // A finished issue has lost its schema, so the known keys travel in the message.
      return issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape).join(' ') : undefined
  }
  return undefined
}

function issueProblems(issue: z.core.$ZodIssue, root: unknown): Problem[] {
  const path = issue.path as Path
  const value = valueAt(root, path)
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split(' ')
    return issue.keys.map((key) => ({
      path: [...path, key],
      at: 'key',
      message: `unknown key; known keys are ${known.join(', ')}${suggestion(key, known)}`,
    }))
  }
  if (issue.code === 'invalid_key') {
    const expected = issue.issues[0]?.message
    return [{ path, at: 'key', message: `expected ${expected}, got ${shown(path.at(-1))}` }]
  }
  if (issue.code === 'invalid_union' && typeof value === 'object' && value !== null) {
    // Of all that was tried, the kind that the user has written: the one that got past the first look.
    const [meant] = issue.errors.filter((issues) => issues.every((issue) => !ofWrongKind(issue)))
    if (meant) return meant.flatMap((inner) => inside(path, issueProblems(inner, value)))
  }
  const meant =
    issue.code === 'invalid_value' && typeof value === 'string'
      ? suggestion(value, issue.values.map(String))
      : ''
  const at = value === undefined || value === null ? 'key' : 'value'
  return [{ path, at, message: `expected ${issue.message}, got ${shown(value)}${meant}` }]
}

function ofWrongKind({ code, path }: z.core.$ZodIssue): boolean {
  return path.length === 0 && (code === 'invalid_type' || code === 'invalid_value')
}

/** The same problems, seen from further up. */
export function inside(path: Path, problems: readonly Problem[]): Problem[] {
  return problems.map((problem) => ({ ...problem, path: [...path, ...problem.path] }))
}

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? value[key as keyof typeof value]
        : undefined,
    root,
  )
}

/** How many letters were left out, added, changed or swapped with the next one (Damerau's distance, short form). */
function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, column) => column)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = a[i - 1] === b[j - 1] ? 0 : 1
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row[j] = Math.min(
        rows[i - 1]![j]! + 1,
        row[j - 1]! + 1,
        rows[i - 1]![j - 1]! + changed,
        swapped ? rows[i - 2]![j - 2]! + 1 : Number.POSITIVE_INFINITY,
      )
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}
