// The accuracy suite: npm run test:accuracy [-- PART…] [--write FILE]
// Real guests under known loads, and the counters of each layer against the load, against iostat and against the kernel's
// own trace. Each comparison is a figure with the bound that it has to keep.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { messageOf } from '../../src/lib/errors.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { applianceOrLack, repository } from '../e2e/kvmio.ts'
import { commitWords, hostWords } from '../matrix/studies.ts'
import { buses } from './buses.ts'
import { failing } from './failing.ts'
import { Figures, failures, figuresMarkdown, figuresTable } from './figures.ts'
import { writeFioInitrd } from './fio-initrd.ts'
import type { Bench, Part } from './part.ts'
import { queue } from './queue.ts'
import { sharing } from './sharing.ts'
import { bare, cached } from './single.ts'
import { Teardown } from './stage.ts'
import { mountTracefs } from './tracefs.ts'

const PARTS: Record<string, Part> = { buses, sharing, bare, cached, queue, failing }
const PROGRAMS = ['bpftrace', 'fio', 'cpio', 'losetup', 'nbdkit', 'nbdfuse']
const outputDir = join(repository, '.kvmio/accuracy')
const MARK = '<!-- figures -->'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { write: { type: 'string' } },
})
// A part that was given up may still wait for something.
process.exit(await main(positionals, values.write))

async function main(wanted: readonly string[], page: string | undefined): Promise<number> {
  const unknown = wanted.filter((name) => !Object.hasOwn(PARTS, name))
  if (unknown.length > 0) {
    console.error(`no part ${unknown.join(', ')}; there is ${Object.keys(PARTS).join(', ')}`)
    return 2
  }
  const began = performance.now()
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => interrupted.abort(new Error(`ended by ${signal}`)))
  const commit = commitWords()
  const figures = new Figures()
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-accuracy-'))
  try {
    const bench = await benchOn(directory, figures)
    for (const [name, part] of Object.entries(PARTS)) {
      if (wanted.length === 0 || wanted.includes(name))
        await runPart(name, part, bench, interrupted.signal)
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
  const seconds = Math.round((performance.now() - began) / 1000)
  const words = `commit ${commit}, ${hostWords()}, TCG, ${seconds} s`
  await mkdir(outputDir, { recursive: true })
  await writeFile(join(outputDir, 'figures.json'), JSON.stringify(figures.all, null, 2))
  const wrong = failures(figures.all)
  console.log(`\n${figuresTable(figures)}\n\n${words}`)
  if (wrong.length > 0) console.log(`\n${wrong.join('\n')}`)
  if (page !== undefined && wrong.length === 0)
    await writeInto(page, `${words}:\n\n${figuresMarkdown(figures)}`)
  const held = figures.all.filter(({ holds }) => holds).length
  console.log(`\n${held} of ${figures.all.length} hold; all pairs are in ${outputDir}/figures.json`)
  return wrong.length === 0 && figures.all.length > 0 ? 0 : 1
}

async function benchOn(directory: string, figures: Figures): Promise<Bench> {
  const missing = await missingPrograms(PROGRAMS)
  if (missing) throw new Error(missing)
  if (process.geteuid?.() !== 0) throw new Error('the suite needs root, for tracing and devices')
  await (await mountTracefs())()
  const { appliance, lack } = await applianceOrLack()
  if (!appliance) throw new Error(String(lack))
  const initrd = join(directory, 'initrd.img')
  await writeFioInitrd(initrd, appliance.initrd)
  return { kernel: appliance.kernel, initrd, directory, figures }
}

/** What goes wrong in one part is a figure of it, and no end of the others. */
async function runPart(name: string, part: Part, bench: Bench, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const began = performance.now()
  console.log(`${name}: started`)
  bench.figures.begin(name)
  const t = new Teardown()
  try {
    await Promise.race([part(bench, t), aborted(signal)])
  } catch (error) {
    bench.figures.broken(messageOf(error))
  } finally {
    await t.run().catch((error) => bench.figures.broken(messageOf(error)))
  }
  console.log(`${name}: ended after ${Math.round((performance.now() - began) / 1000)} s`)
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
}

/** Puts the figures between the two marks of a page. */
async function writeInto(page: string, text: string): Promise<void> {
  const [before, , after] = (await readFile(page, 'utf8')).split(MARK)
  await writeFile(page, [before, `\n${text}\n`, after].join(MARK))
}
