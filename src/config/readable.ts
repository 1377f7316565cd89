import { z } from 'zod'
import type { ConfigFile } from './schema.ts'

/** A config of which some values may be missing because they had mistakes; their names are there. */
export type ReadableConfig = Readable<ConfigFile>

export type Readable<T> = T extends (infer Item)[]
  ? (Readable<Item> | undefined)[]
  : T extends object
    ? { [Key in keyof T]?: Readable<T[Key]> | undefined }
    : T

/** As much of a value as its schema takes: what is wrong is undefined, what stands beside it is kept. */
export function readable<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): Readable<z.output<Schema>> | undefined {
  return read(schema, value) as Readable<z.output<Schema>> | undefined
}

function read(schema: z.core.$ZodType, value: unknown): unknown {
  const whole = z.safeParse(schema, value)
  if (whole.success) return whole.data
  if (schema instanceof z.ZodDefault) return read(schema.unwrap(), value)
  if (schema instanceof z.ZodPrefault) return read(schema.unwrap(), value)
  if (schema instanceof z.ZodOptional) return read(schema.unwrap(), value)
  if (schema instanceof z.ZodUnion && Array.isArray(value)) {
    return read(schema.options.find((option) => option instanceof z.ZodArray) ?? z.never(), value)
  }
  if (schema instanceof z.ZodArray && Array.isArray(value)) {
    return value.map((item) => read(schema.element, item))
  }
  if (typeof value !== 'object' || value === null) return undefined
  if (schema instanceof z.ZodObject) {
    const given = value as Record<string, unknown>
    const values = Object.entries<z.core.$ZodType>(schema.shape).map(
      ([key, inner]) => [key, read(inner, given[key])] as const,
    )
    // A key that was given with a mistake stays, without a value; one that was left out does not.
    return Object.fromEntries(
      values.filter(([key, value]) => value !== undefined || Object.hasOwn(given, key)),
    )
  }
  if (schema instanceof z.ZodRecord) {
    const entries = Object.entries(value)
    return Object.fromEntries(entries.map(([key, item]) => [key, read(schema.valueType, item)]))
  }
  return undefined
}
