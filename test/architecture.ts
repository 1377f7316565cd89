import { builtinModules } from 'node:module'
import { posix } from 'node:path'

// The arrows of the source: which folder of src may import which. A folder is a stage of the work.
const ALL = undefined
const ARROWS: Record<string, readonly string[] | undefined> = {
  'main.ts': ALL,
  cli: ALL,
  study: ['guest', 'storage', 'density', 'journal', 'config'],
  guest: ['source', 'journal', 'config'],
  storage: ['source', 'journal', 'config'],
  collector: ['source', 'attribution', 'sampler', 'journal'],
  sampler: ['source', 'attribution'],
  attribution: ['source'],
  discovery: ['source', 'attribution'],
  host: ['source', 'guest'],
  config: [],
  density: [],
  metrics: [],
  web: [],
  journal: [],
  source: [],
  lib: [],
}

/** What every folder may import beside lib: the names of metrics, and the shape of a vm, a drive and a tier. */
const SHARED = ['src/metrics/catalog.ts', 'src/metrics/family.ts']
const SHARED_TYPES = 'src/attribution/records.ts'

/** Where each package may be imported: a file, or a folder with a slash at its end. */
const HOMES: Record<string, readonly string[]> = {
  '@grafana/grafana-foundation-sdk': ['grafana/src/'],
  bcryptjs: ['src/web/'],
  chokidar: ['src/config/watch.ts'],
  commander: ['src/main.ts', 'src/cli/'],
  execa: ['src/lib/process.ts'],
  express: ['src/web/'],
  'node:child_process': ['src/lib/process.ts'],
  'node:sqlite': ['src/journal/'],
  pino: ['src/lib/log.ts'],
  'prom-client': ['src/metrics/render.ts'],
  'simple-statistics': ['src/study/'],
  vega: ['src/study/report/figures/'],
  'vega-lite': ['src/study/report/figures/'],
  yaml: ['src/config/load.ts'],
  zod: ['src/config/', 'src/storage/disk-record.ts', 'src/study/report/results-schema.ts'],
}

/** What is wrong with the imports and exports of a source file; `file` counts from the repository's root. */
export function checkSource(file: string, source: string): string[] {
  const problems = source.split('\n').flatMap((line, index) => {
    const problem = /^export default\b|^export \{.*\bas default\b/.test(line)
      ? 'has a default export; export by name'
      : undefined
    return problem === undefined ? [] : [`${file}:${index + 1}: ${problem}`]
  })
  if (posix.basename(file) === 'index.ts') {
    problems.push(`${file}: is a barrel file; import the file that has the thing`)
  }
  for (const { line, specifier, typeOnly, reexport } of findImports(source)) {
    const problem = reexport
      ? 'a re-export; import the file that has the thing'
      : specifier.startsWith('.')
        ? checkFile(file, specifier, typeOnly)
        : checkPackage(file, specifier)
    if (problem !== undefined) problems.push(`${file}:${line}: imports '${specifier}': ${problem}`)
  }
  return problems
}

interface Import {
  /** Of its beginning, counted from 1. */
  line: number
  specifier: string
  typeOnly: boolean
  reexport: boolean
}

// Biome has made every import begin its line and every string single-quoted.
const STATIC = /^(import|export)( type)?\b(?:[^'"`;()=]*?\bfrom)? *'([^']+)'/gm
const DYNAMIC = /\b(?:import|require)\(\s*'([^']+)'/g

function findImports(source: string): Import[] {
  const line = (index: number) => source.slice(0, index).split('\n').length
  const statics = [...source.matchAll(STATIC)].map(({ index, 1: kind, 2: type, 3: specifier }) => ({
    line: line(index),
    specifier: specifier!,
    typeOnly: type !== undefined,
    reexport: kind === 'export',
  }))
  const dynamics = [...source.matchAll(DYNAMIC)].map(({ index, 1: specifier }) => ({
    line: line(index),
    specifier: specifier!,
    typeOnly: false,
    reexport: false,
  }))
  return [...statics, ...dynamics]
}

function checkFile(file: string, specifier: string, typeOnly: boolean): string | undefined {
  if (!/\.(ts|json)$/.test(specifier)) return 'an import ends in .ts'
  const target = posix.join(posix.dirname(file), specifier)
  const from = stage(file)
  const to = stage(target)
  if (from === 'grafana') {
    const own = target.startsWith('grafana/')
    return own || SHARED.includes(target)
      ? undefined
      : 'grafana may import src/metrics/catalog.ts only'
  }
  if (!(from in ARROWS)) return `src/${from} has no place in the arrows of test/architecture.ts`
  const arrows = ARROWS[from]
  if (arrows === ALL || from === to || arrows.includes(to)) return undefined
  if (from === 'lib') return 'lib imports nothing but itself'
  if (to === 'lib' || SHARED.includes(target)) return undefined
  const allowed = `${from} may import ${['lib', ...arrows].join(', ')}`
  if (target !== SHARED_TYPES) return allowed
  return typeOnly ? undefined : `${allowed}; of ${SHARED_TYPES} the types (import type)`
}

function checkPackage(file: string, specifier: string): string | undefined {
  const name = /^(?:node:)?(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier
  if (!specifier.startsWith('node:') && builtinModules.includes(specifier))
    return `a module of Node's is written node:${specifier}`
  const homes = HOMES[name]
  if (name.startsWith('node:') && !homes) return undefined
  if (!homes) return `${name} has no home; give it one in test/architecture.ts`
  const isHome = homes.some((home) => (home.endsWith('/') ? file.startsWith(home) : file === home))
  return isHome ? undefined : `the home of ${name} is ${homes.join(', ')}`
}

/** The folder below src, or main.ts; `grafana` for its dashboards. */
function stage(file: string): string {
  const [top = '', below = ''] = file.split('/')
  return top === 'src' ? below : top
}
