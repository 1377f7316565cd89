import { suiteJsonSchema } from '../../src/config/json-schema.ts'

/** The JSON schema of suite files. */
export async function generate() {
  const file = new URL('../../src/config/suite.schema.json', import.meta.url)
  return { file, text: `${JSON.stringify(suiteJsonSchema(), null, 2)}\n` }
}
