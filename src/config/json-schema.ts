import { z } from 'zod'
import { configSchema } from './schema.ts'

/** The JSON schema of the config file, for editors: what a user may write, with defaults as a user would write them. */
export function configJsonSchema(): Record<string, unknown> {
  // Draft 7 is what yaml-language-server knows best.
  const { $schema, ...schema } = z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7' })
  return { $schema, title: 'kvmio.yaml', ...schema }
}
