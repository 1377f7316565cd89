// The lab suite: npm run test:lab [-- PART...], npm run test:lab -- paper [parts=…] [only=…] [blocks=…] [minutes=…]
// What the kernel of a test machine may lack (device mapper, reiserfs, cgroup v2, NFS, an IOMMU) is run inside a qemu
// guest that plays the host. Each part has a lab host of its own, and a deadline.
import { glob, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { table } from '../../src/cli/table.ts'
import { buildAppliance } from '../../src/guest/systems/appliance.ts'
import { buildPackageDrive } from '../../src/guest/systems/package-drive.ts'
import { messageOf } from '../../src/lib/errors.ts'
import { createLog } from '../../src/lib/log.ts'
import { buildLabImage, type LabImage } from './image.ts'
import { type LabRun, runInLab } from './machine.ts'
import { HOST_DIED, type PartResult, resultOf } from './result.ts'
import { parseSitting } from './sitting.ts'

const repository = join(import.meta.dirname, '../..')
const outputDir = join(repository, '.kvmio/lab/output')
// Two minutes on an idle machine of two cores; others may be at work on it.
const PART_MS = 1_500_000
// It takes hours, in as many sittings as somebody likes, so it runs only when it is asked for by its name.
const PAPER = 'paper'
// A sitting's boot, its reports and what it takes down.
const AROUND_SITTING_MS = 2_400_000

const interrupted = new AbortController()
// Not once(): execa's own hook ends the process at once when no other listener is left.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => interrupted.abort(new Error(`ended by ${signal}`)))
}
process.exitCode = await main(process.argv.slice(2), interrupted.signal)

async function main(argv: readonly string[], signal: AbortSignal): Promise<number> {
  const started = performance.now()
  const wanted = argv.filter((word) => !word.includes('='))
  const words = argv.filter((word) => word.includes('='))
  const sitting = parseSitting(words)
  if (typeof sitting === 'string') {
    console.error(sitting)
    return 2
  }
  if (words.length > 0 && !wanted.includes(PAPER)) {
    console.error(`${words.join(' ')} is for part ${PAPER}`)
    return 2
  }
  const programs = (await Array.fromAsync(glob('test/lab/*.lab.ts', { cwd: repository }))).sort()
  const parts = programs.map((program): Part => {
    const name = basename(program, '.lab.ts')
    if (name !== PAPER) return { name, program, words: [], limitMs: PART_MS }
    const kept = join(repository, '.kvmio/lab/paper.img')
    const limitMs = sitting.minutes * 60_000 + AROUND_SITTING_MS
    return { name, program, words, kept, limitMs }
  })
  const unknown = wanted.filter((name) => !parts.some((part) => part.name === name))
  if (unknown.length > 0) {
    console.error(
      `no part ${unknown.join(', ')}; there is ${parts.map(({ name }) => name).join(', ')}`,
    )
    return 2
  }
  const log = createLog({ level: 'info', format: 'text' })
  await mkdir(join(repository, '.kvmio'), { recursive: true, mode: 0o711 })
  await buildAppliance({ cacheDir: join(repository, '.kvmio/systems'), log, signal })
  if (wanted.includes(PAPER) && sitting.parts.includes('virtio-optimizations')) {
    const cacheDir = join(repository, '.kvmio/systems')
    await buildPackageDrive({ cacheDir, packages: 'minimal', log, signal })
  }
  const image = await buildLabImage(join(repository, '.kvmio/lab'), log, signal)
  const results: PartResult[] = []
  for (const part of parts) {
    const isWanted = wanted.length > 0 ? wanted.includes(part.name) : part.name !== PAPER
    if (signal.aborted || !isWanted) continue
    console.log(`${part.name}: started`)
    const result = await runPart(part, image, signal)
    results.push(result)
    console.log(`${part.name}: ${result.outcome} after ${result.seconds.toFixed(0)} s`)
  }
  const seconds = (performance.now() - started) / 1000
  const report = reportOf(results, image.builtIn, seconds)
  await writeFile(join(outputDir, 'report.txt'), report)
  console.log(`\n${report}`)
  return results.length > 0 && results.every(({ outcome }) => outcome === 'passed') ? 0 : 1
}

interface Part extends Pick<LabRun, 'program' | 'words' | 'kept' | 'limitMs'> {
  name: string
}

/**
 * A lab host that dies is no failure of what it was to show, if the next one shows it: qemu 7.2's emulation of AMD's
 * virtualisation now and then takes the kernel that runs guests on it down (one host of some fifteen). What it said stays.
 */
async function runPart(part: Part, image: LabImage, signal: AbortSignal): Promise<PartResult> {
  const first = await runOnce(part, image, signal)
  if (first.reason !== HOST_DIED || signal.aborted) return first
  console.log(`${part.name}: its lab host died; once more`)
  const directory = join(outputDir, part.name)
  await rm(`${directory}-died`, { recursive: true, force: true })
  await rename(directory, `${directory}-died`)
  const second = await runOnce(part, image, signal)
  return { ...second, reason: second.reason ?? 'at the second try: the first lab host died' }
}

async function runOnce(
  { name, ...part }: Part,
  image: LabImage,
  signal: AbortSignal,
): Promise<PartResult> {
  const began = performance.now()
  const directory = join(outputDir, name)
  let problem: string | undefined
  try {
    await runInLab({ ...part, image, repository, directory, signal })
  } catch (error) {
    problem = messageOf(error)
  }
  const tap = await readFile(join(directory, 'tap.log'), 'utf8').catch(() => '')
  return { name, seconds: (performance.now() - began) / 1000, ...resultOf(tap, problem) }
}

function reportOf(results: readonly PartResult[], builtIn: number, seconds: number): string {
  const rows = results.map(({ name, outcome, asserts, seconds, reason }) => [
    name,
    outcome,
    String(asserts),
    seconds.toFixed(0),
    reason ?? '',
  ])
  const failed = results.filter(({ outcome }) => outcome === 'failed').length
  return [
    table(['part', 'result', 'asserts', 'seconds', ''], rows),
    '',
    `The output is in ${outputDir}; the lab host took ${builtIn.toFixed(0)} s to build, all of it ${seconds.toFixed(0)} s.`,
    `${results.length - failed} passed, ${failed} failed`,
    '',
  ].join('\n')
}
