import { glob, readFile } from 'node:fs/promises'
import t from 'tap'
import { configJsonSchema, suiteJsonSchema } from '../../src/config/json-schema.ts'
import { loadConfig } from '../../src/config/load.ts'

type Node = Record<string, unknown>

const schemaFile = new URL('../../src/config/kvmio.schema.json', import.meta.url)

/** Every schema inside a schema, with the path that leads to it. */
function* nodesOf(node: unknown, path = ''): Generator<[path: string, node: Node]> {
  if (typeof node !== 'object' || node === null) return
  yield [path, node as Node]
  for (const [key, inner] of Object.entries(node)) {
    if (key !== 'default' && key !== 'enum') yield* nodesOf(inner, `${path}/${key}`)
  }
}

t.test('the committed file is what the schema makes', async (t) => {
  const { generate } = await import(
    `${new URL('../../scripts/generate/json-schema.mjs', import.meta.url)}`
  )
  const { file, text } = await generate()
  t.equal(file.href, schemaFile.href)
  t.equal(await readFile(schemaFile, 'utf8'), text, 'npm run snap rewrites it')
  t.strictSame(JSON.parse(text), configJsonSchema())
})

t.test('so is that of suites', async (t) => {
  const { generate } = await import(
    `${new URL('../../scripts/generate/suite-schema.mjs', import.meta.url)}`
  )
  const { file, text } = await generate()
  t.equal(await readFile(file, 'utf8'), text, 'npm run snap rewrites it')
  t.strictSame(JSON.parse(text), suiteJsonSchema())
})

t.test('the shipped suites and their config name theirs', async (t) => {
  for await (const name of glob('studies/*.yaml')) {
    const [first] = (await readFile(name, 'utf8')).split('\n')
    const schema = name.endsWith('/kvmio.yaml') ? 'kvmio' : 'suite'
    t.equal(first, `# yaml-language-server: $schema=../src/config/${schema}.schema.json`, name)
  }
})

t.test('defaults are what a user would write', async (t) => {
  const nodes = [...nodesOf(configJsonSchema())]
  const defaults = nodes.filter(([, node]) => 'default' in node)
  t.match(
    Object.fromEntries(defaults.map(([path, node]) => [path.split('/').at(-1), node.default])),
    {
      memory: '192MiB',
      boot: '2m',
      write: '32MiB',
      blockSize: '64KiB',
      settle: '10s',
      pause: '10s',
    },
  )
  for (const [path, node] of defaults) {
    if (node.pattern) t.match(node.default, new RegExp(node.pattern as string), path)
    if (node.enum) t.ok((node.enum as unknown[]).includes(node.default), path)
  }
})

t.test('every key is described, and none beside them allowed', async (t) => {
  for (const [path, node] of [...nodesOf(configJsonSchema()), ...nodesOf(suiteJsonSchema())]) {
    if (/\/properties\/[^/]+$/.test(path)) t.type(node.description, 'string', path)
    if (node.properties) t.equal(node.additionalProperties, false, path)
  }
})

t.test('the default config names it for editors', async (t) => {
  const { file } = await loadConfig('kvmio.yaml')
  const [first] = (await readFile(file, 'utf8')).split('\n')
  const address = /^# yaml-language-server: \$schema=(\S+)$/.exec(first!)?.[1]
  t.equal(new URL(address!, `file://${file}`).href, schemaFile.href)
})
