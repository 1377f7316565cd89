import { basename } from 'node:path'
import { z } from 'zod'
import type { Setting } from './matrix.ts'
import { choice, type Problem, schemaProblems, shown, suggestion } from './problems.ts'
import type { Readable } from './readable.ts'
import { type GuestConfig, guestSchema, type StudyConfig } from './schema.ts'
import { studySchema } from './study-schema.ts'

export type FactorValue = string | number | boolean

/** The keys of a study that differ by case where a factor names them. */
export type CaseStudy = Pick<StudyConfig, (typeof STUDY_KEYS)[number]>

const STUDY_KEYS = ['workload', 'vms', 'stagger', 'hostCache'] as const

const { workload: workloadSchema, vms, stagger, hostCache } = studySchema.shape
/** All that a case is made of, as the factors of a study see it: dotted paths of these keys. */
const caseSchema = z.strictObject({
  ...guestSchema.omit({ demand: true }).shape, // what is expected of a vm changes nothing of it
  workload: workloadSchema,
  vms,
  stagger,
  hostCache,
})

/** The guest, and what the study says of it, with the values of one case. */
export function withFactors<Study extends CaseStudy>(
  guest: GuestConfig,
  study: Study,
  factors: Readonly<Record<string, FactorValue>>,
): { guest: GuestConfig; study: Study } {
  const varied = structuredClone(asWritten(guest, study))
  for (const [path, value] of Object.entries(factors)) {
    const found = findKey(path, varied)
    if ('problem' in found) throw new RangeError(`factor ${path}: ${found.problem}`)
    const keys = path.split('.')
    const last = keys.pop()!
    mappingAt(keys, varied)[last] = z.parse(found.schema, value)
  }
  const { workload, vms, stagger, hostCache, ...variedGuest } = varied
  const part = { workload: Object.values(workload)[0], vms, stagger, hostCache }
  return { guest: variedGuest as GuestConfig, study: { ...study, ...part } as Study }
}

/** With the workload below its kind, as it stands in the file. */
function asWritten(guest: Readable<GuestConfig>, study: Readable<CaseStudy>) {
  const { vms, stagger, hostCache } = study
  const workload = study.workload as StudyConfig['workload'] | undefined
  const kinds = workload ? { [workload.kind]: workload } : {}
  return { ...guest, workload: kinds, vms, stagger, hostCache }
}

/** The mapping that holds a key; one that is left out is there with its defaults then. */
function mappingAt(
  keys: readonly string[],
  varied: ReturnType<typeof asWritten>,
): Record<string, unknown> {
  let schema: z.core.$ZodType = caseSchema
  let mapping = varied as Record<string, unknown>
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

/** What is wrong with one thing that a case is to have; places are those of the setting. */
export function settingProblems(
  { key, value, place }: Setting,
  guest: Readable<GuestConfig>,
  study: Readable<CaseStudy>,
): Problem[] {
  // A workload with mistakes has told them already.
  if (study.workload === undefined && key.startsWith('workload.')) return []
  const found = findKey(key, asWritten(guest, study))
  if ('problem' in found) {
    const path = place.at(-1) === key ? place : place.slice(0, -1)
    return [{ path, at: 'key', message: found.problem }]
  }
  return schemaProblems(found.schema, value).map(({ message }) => ({
    path: place,
    at: 'value',
    message,
  }))
}

/** Whether the guest or the study has such a key. */
export function hasKey(
  key: string,
  guest: Readable<GuestConfig>,
  study: Readable<CaseStudy>,
): boolean {
  return 'schema' in findKey(key, asWritten(guest, study))
}

type Found = { schema: z.core.$ZodType } | { problem: string }

/** The schema of a key, or why there is no such key to vary. */
function findKey(path: string, from: ReturnType<typeof asWritten>): Found {
  let schema: z.core.$ZodType = caseSchema
  let value: unknown = from
  const walked: string[] = []
  for (const key of path.split('.')) {
    const keys = keysOf(schema, value)
    if (keys.length === 0) {
      return { problem: `expected ${walked.join('.')}, which has no keys of its own, got more` }
    }
    if (!keys.includes(key)) {
      const where = walked.length === 0 ? 'the guest or the study' : walked.join('.')
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
  // One key of all stands there; the value has no place for those of the others.
  if (schema === workloadSchema) return Object.keys(value ?? {})
  const plain = schemaOf(schema)
  if (plain instanceof z.ZodObject) return Object.keys(plain.shape)
  if (typeof value !== 'object' || value === null) return []
  if (plain instanceof z.ZodRecord) return Object.keys(value)
  const mapping = mappingOf(plain, Object.keys(value))
  return mapping ? Object.keys(mapping.shape) : []
}

function innerSchema(schema: z.core.$ZodType, key: string): z.core.$ZodType {
  const plain = schemaOf(schema)
  return plain instanceof z.ZodRecord ? plain.valueType : mappingOf(plain, [key])!.shape[key]!
}

/** Of several kinds of mapping the one that has these keys. */
function mappingOf(schema: z.core.$ZodType, keys: readonly string[]): z.ZodObject | undefined {
  if (schema instanceof z.ZodObject) return schema
  if (!(schema instanceof z.ZodUnion)) return undefined
  return schema.options.find(
    (option): option is z.ZodObject =>
      option instanceof z.ZodObject && keys.every((key) => Object.hasOwn(option.shape, key)),
  )
}

/** What stands below defaults. */
function schemaOf(schema: z.core.$ZodType): z.core.$ZodType {
  const wrapped =
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional
  if (wrapped) return schemaOf(schema.unwrap())
  const mapping = schema instanceof z.ZodPipe && schemaOf(schema.in)
  return mapping instanceof z.ZodObject ? mapping : schema
}
