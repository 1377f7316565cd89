import { basename } from 'node:path'
import { z } from 'zod'
import { choice, type Problem, schemaProblems, shown, suggestion } from './problems.ts'
import type { Readable } from './readable.ts'
import { type GuestConfig, guestSchema } from './schema.ts'

export type FactorValue = string | number | boolean

/** The guest with the values of one case: factors are dotted paths of its keys. */
export function withFactors(
  guest: GuestConfig,
  factors: Readonly<Record<string, FactorValue>>,
): GuestConfig {
  const varied = structuredClone(guest)
  for (const [path, value] of Object.entries(factors)) {
    const found = findKey(path, guest)
    if ('problem' in found) throw new RangeError(`factor ${path}: ${found.problem}`)
    const keys = path.split('.')
    const last = keys.pop()!
    mappingAt(keys, varied)[last] = z.parse(found.schema, value)
  }
  return varied
}

/** The mapping that holds a key; one that the guest leaves out is there with its defaults then. */
function mappingAt(keys: readonly string[], guest: GuestConfig): Record<string, unknown> {
  let schema: z.core.$ZodType = guestSchema
  let mapping = guest as unknown as Record<string, unknown>
  for (const key of keys) {
    schema = innerSchema(schema, key)
    mapping[key] ??= z.safeParse(schemaOf(schema), {}).data ?? {} // throttle must have one, which comes now
    mapping = mapping[key] as Record<string, unknown>
  }
  return mapping
}

/** A case is named by the values of its factors: `virtio-blk-qcow2`. */
export function caseName(values: readonly FactorValue[]): string {
  return values.map(valueWord).join('-') || 'only'
}

/** A factor's value as it stands in names; of a path the last part. */
export function valueWord(value: FactorValue): string {
  const text = String(value)
  const word = (/^[\w./-]+$/.test(text) ? basename(text) : text)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
  return word || 'none'
}

/** The mistakes of one factor of a study, as seen from the study's factors. */
export function factorProblems(
  path: string,
  values: readonly (FactorValue | undefined)[],
  guest: Readable<GuestConfig>,
): Problem[] {
  const found = findKey(path, guest)
  if ('problem' in found) return [{ path: [path], at: 'key', message: found.problem }]
  return values.flatMap((value, index) =>
    value === undefined
      ? []
      : schemaProblems(found.schema, value).map(({ message }) => ({
          path: [path, index],
          at: 'value' as const,
          message,
        })),
  )
}

type Found = { schema: z.core.$ZodType } | { problem: string }

/** The schema of a guest's key, or why there is no such key to vary. */
function findKey(path: string, guest: Readable<GuestConfig>): Found {
  let schema: z.core.$ZodType = guestSchema
  let value: unknown = guest
  const walked: string[] = []
  for (const key of path.split('.')) {
    const keys = keysOf(schema, value)
    if (keys.length === 0) {
      return { problem: `expected ${walked.join('.')}, which has no keys of its own, got more` }
    }
    if (!keys.includes(key)) {
      const where = walked.length === 0 ? 'the guest' : walked.join('.')
      const meant = suggestion(key, keys)
      return { problem: `expected a key of ${where}: ${choice(keys)}, got ${shown(key)}${meant}` }
    }
    schema = innerSchema(schema, key)
    value = (value as Record<string, unknown> | undefined)?.[key]
    walked.push(key)
  }
  const keys = keysOf(schema, value)
  if (keys.length === 0 || schemaOf(schema) instanceof z.ZodUnion) return { schema }
  return { problem: `expected one of its keys, such as ${path}.${keys.at(0)}, got all of them` }
}

function keysOf(schema: z.core.$ZodType, value: unknown): string[] {
  const plain = schemaOf(schema)
  if (plain instanceof z.ZodObject) return Object.keys(plain.shape)
  if (typeof value !== 'object' || value === null) return []
  if (plain instanceof z.ZodRecord) return Object.keys(value)
  const mapping = mappingOf(plain)
  return mapping ? Object.keys(mapping.shape) : []
}

function innerSchema(schema: z.core.$ZodType, key: string): z.core.$ZodType {
  const plain = schemaOf(schema)
  return plain instanceof z.ZodRecord ? plain.valueType : mappingOf(plain)!.shape[key]!
}

function mappingOf(schema: z.core.$ZodType): z.ZodObject | undefined {
  if (schema instanceof z.ZodObject) return schema
  if (!(schema instanceof z.ZodUnion)) return undefined
  return schema.options.find((option) => option instanceof z.ZodObject)
}

/** What stands below defaults. */
function schemaOf(schema: z.core.$ZodType): z.core.$ZodType {
  const wrapped =
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional
  return wrapped ? schemaOf(schema.unwrap()) : schema
}
