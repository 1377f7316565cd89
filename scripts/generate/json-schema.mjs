import { configJsonSchema } from '../../src/config/json-schema.ts'

/** The JSON schema of kvmio.yaml. */
export async function generate() {
  const file = new URL('../../src/config/kvmio.schema.json', import.meta.url)
  return { file, text: `${JSON.stringify(configJsonSchema(), null, 2)}\n` }
}
