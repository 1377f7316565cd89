import { z } from 'zod'
import { configSchema } from './schema.ts'
import { derivedSuiteSchema, suiteSchema } from './study-schema.ts'

/** The JSON schema of the config file, for editors: what a user may write, with defaults as a user would write them. */
export function configJsonSchema(): Record<string, unknown> {
  return jsonSchema(configSchema, 'kvmio.yaml')
}

/** The same of a suite file. */
export function suiteJsonSchema(): Record<string, unknown> {
  return jsonSchema(z.union([suiteSchema, derivedSuiteSchema]), 'a suite of studies')
}

function jsonSchema(from: z.ZodType, title: string): Record<string, unknown> {
  // Draft 7 is what yaml-language-server knows best.
  const { $schema, ...schema } = z.toJSONSchema(from, { io: 'input', target: 'draft-7' })
  return { $schema, title, ...schema }
}
