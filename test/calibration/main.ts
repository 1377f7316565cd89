// Whether `kvmio calibrate` finds what is known beforehand: R0 and X_inf of emulated disks that take 20, 10 and 5 ms for each
// request. What a lone request takes is measured here too, by dd, before and after.
//
//   npm run test:calibration -- [--times 20,10,5]

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { goodCalibrations } from '../../src/journal/calibrations.ts'
import { openReader } from '../../src/journal/reader.ts'
import type { CalibrationResult, ClassResult } from '../../src/study/calibration/records.ts'
import { commitWords, hostWords } from '../matrix/studies.ts'
import { type Judgement, judge, percent } from './judge.ts'

const repository = join(import.meta.dirname, '../..')
const NODE = join(repository, 'node_modules/.bin/node')
const MAIN = join(repository, 'src/main.ts')
const START_MS = 120_000
const LIMIT_MS = 30 * 60_000
const CLASSES = ['random-read', 'random-write'] as const
/** One after another, so that it takes about as long as a point does. */
const LONE_SECONDS = 4
const BLOCK_BYTES = 4096
const FILE_BLOCKS = 2048

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '20,10,5' },
  },
})
const times = values.times.split(',').map(Number)
const began = Date.now()
const directory = await realpath(await mkdtemp(join(tmpdir(), 'kvmio-calibration-')))
const state = join(directory, 'state')
const configFile = join(directory, 'kvmio.yaml')
let serving: ChildProcess | undefined
try {
  await mkdir(state, { mode: 0o711 })
  await writeFile(configFile, JSON.stringify(configOf(times)))
  serving = spawn(NODE, [MAIN, ...commandWords('serve'), '--web.listen-address', '127.0.0.1:0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  await isServing(serving)
  const disks = times.map((ms) => ({ ms, ...calibrated(ms) }))
  const judged = disks.flatMap(({ ms, result, alone }) =>
    result.classes.map((of) => {
      const name = of.capacity.class as (typeof CLASSES)[number]
      const truth = { nominal: ms / 1000, alone: alone[name] }
      return { ms, of, truth, judgement: judge(of, truth) }
    }),
  )
  const problems = judged.flatMap(({ ms, judgement }) =>
    judgement.problems.map((problem) => `${ms} ms: ${problem}`),
  )
  const seconds = Math.round((Date.now() - began) / 1000)
  const load = loadavg()[0]!.toFixed(1)
  process.stdout.write(`
\`npm run test:calibration\` at commit ${commitWords()} on ${new Date().toISOString().slice(0, 10)} (${hostWords()}, load ${load} at its end): ${seconds} s.

| service time | class | lone request | R0 | off | X_inf | off | residual | fio's search | the line there |
|---|---|---|---|---|---|---|---|---|---|
${judged.map(({ ms, of, truth, judgement }) => row(ms, of, truth.alone, judgement)).join('\n')}

${judged.flatMap(({ ms, of }) => of.notes.map((note) => `${ms} ms, ${of.capacity.class}: ${note}\n`)).join('')}${problems.map((problem) => `${problem}\n`).join('')}${judged.length * 3 - problems.length} checks passed, ${problems.length} failed
`)
  process.exitCode = problems.length === 0 ? 0 : 1
} finally {
  if (serving && serving.exitCode === null) {
    serving.kill('SIGTERM')
    await once(serving, 'exit')
  }
  execFileSync(NODE, [MAIN, ...commandWords('clean')], { stdio: 'ignore' })
  await rm(directory, { recursive: true, force: true })
}

function configOf(times: readonly number[]) {
  const tiers = times.map((ms) => [
    tierOf(ms),
    {
      filesystem: { type: 'ext4', size: '256MiB' },
      emulate: { serviceTime: `${ms}ms` },
      target: { latency: `${ms * 5}ms` },
    },
  ])
  return { state, tiers: Object.fromEntries(tiers), guests: {}, studies: {} }
}

function tierOf(ms: number): string {
  return `disk-${ms}ms`
}

function commandWords(command: string): string[] {
  return [command, '--config.file', configFile]
}

async function isServing({ stderr }: ChildProcess): Promise<void> {
  let said = ''
  stderr!.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  for (const deadline = Date.now() + START_MS; !said.includes('metrics are served'); ) {
    if (Date.now() > deadline) throw new Error(`kvmio did not serve:\n${said}`)
    await sleep(100)
  }
}

/** What kvmio found of a disk, and what a lone request took just before and just after, on the mean. */
function calibrated(ms: number) {
  process.stderr.write(`${ms} ms\n`)
  const file = join(state, 'tiers', tierOf(ms), 'mnt/lone')
  for (let times = 0; times < 2; times++) dd([`of=${file}`, 'if=/dev/zero'], FILE_BLOCKS / 128, 128)
  const lone = { 'random-read': [] as number[], 'random-write': [] as number[] }
  const measureLone = () => {
    for (const name of CLASSES) lone[name].push(loneRequest(file, name, ms))
  }
  measureLone()
  const classes = CLASSES.flatMap((name) => ['--class', name])
  const words = [tierOf(ms), ...classes]
  execFileSync(NODE, [MAIN, ...commandWords('calibrate'), ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: LIMIT_MS,
  })
  measureLone()
  const mean = (of: readonly number[]) => of.reduce((sum, each) => sum + each, 0) / of.length
  const alone = {
    'random-read': mean(lone['random-read']),
    'random-write': mean(lone['random-write']),
  }
  using journal = openReader(join(state, 'journal.sqlite'))
  const [newest] = goodCalibrations(journal, tierOf(ms))
  return { result: newest!.result as CalibrationResult, alone }
}

/** Seconds; with the priority that fio has, so that neither waits longer for a processor than the other. */
function loneRequest(file: string, name: (typeof CLASSES)[number], ms: number): number {
  const count = Math.min(FILE_BLOCKS, Math.round((LONE_SECONDS * 1000) / ms))
  const start = performance.now()
  if (name === 'random-read') dd([`if=${file}`, 'of=/dev/null', 'iflag=direct'], count, 1)
  else dd([`of=${file}`, 'if=/dev/zero', 'oflag=direct'], count, 1)
  return (performance.now() - start) / 1000 / count
}

function dd(words: readonly string[], count: number, blocks: number): void {
  const isDirect = words.some((word) => word.endsWith('flag=direct'))
  const size = [`bs=${blocks * BLOCK_BYTES}`, `count=${count}`, 'conv=notrunc', 'status=none']
  const direct = isDirect ? [] : ['oflag=direct']
  execFileSync('chrt', ['--rr', '1', 'dd', ...words, ...size, ...direct], { timeout: LIMIT_MS })
}

function row(ms: number, { capacity, search }: ClassResult, alone: number, of: Judgement): string {
  const milliseconds = (seconds: number) => `${(seconds * 1000).toFixed(2)} ms`
  const cells = [
    `${ms} ms`,
    capacity.class,
    milliseconds(alone),
    milliseconds(capacity.baseLatency),
    `${percent(of.baseLatency)} of ${of.against}`,
    `${capacity.peak.toFixed(1)}/s`,
    percent(of.peak),
    `${(capacity.residual * 100).toFixed(1)} %`,
    search ? `${search.depth} at a time, ${search.operationsPerSecond.toFixed(1)}/s` : '',
    search ? `${search.expectedPerSecond.toFixed(1)}/s` : '',
  ]
  return `| ${cells.join(' | ')} |`
}
