// Whether what `kvmio report` concludes can be believed, tried on studies that are run for it: one whose cases are the same
// under two names, in which there is nothing to find, and one of two emulated disks whose ratio is known beforehand.
//
//   npm run test:controls -- [--blocks 8] [--write docs/controls.md]

import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readStudy } from '../../src/journal/read-study.ts'
import { openReader } from '../../src/journal/reader.ts'
import { blockValues, compareAll, valuesOf } from '../../src/study/report/compare.ts'
import { falsePositives, positiveControl } from '../../src/study/report/controls.ts'
import { formatInterval, formatRatio } from '../../src/study/report/format.ts'
import { studyResults } from '../../src/study/report/from-journal.ts'
import { measure } from '../../src/study/report/measures.ts'
import { commitWords, hostWords } from '../matrix/studies.ts'

const repository = join(import.meta.dirname, '../..')
const NODE = join(repository, 'node_modules/.bin/node')
const LIMIT_MS = 60 * 60_000

// Measured at depth 1, the delay filter's 10 ms are 10.4 and its 20 ms 20.4; a full queue hides what the guest adds.
const EXPECTED = 20.4 / 10.4

// Four writers at a time, so that the disk always has its next request.
const SCRIPT = `
for writer in 0 1 2 3; do
  dd if=/dev/zero of="$KVMIO_DISK" bs=4096 count=300 seek=$((writer * 1024)) conv=notrunc oflag=direct status=none &
done
wait
`

const { values } = parseArgs({
  options: { blocks: { type: 'string', default: '8' }, write: { type: 'string' } },
})
const blocks = Number(values.blocks)
const began = Date.now()
const directory = await realpath(await mkdtemp(join(tmpdir(), 'kvmio-controls-')))
try {
  const state = join(directory, 'state')
  await mkdir(state, { mode: 0o711 })
  await symlink(join(repository, '.kvmio/systems'), join(state, 'systems'))
  const file = join(directory, 'kvmio.yaml')
  await writeFile(file, JSON.stringify(configOf(state)))
  const words = ['run', '--config.file', file, '--web.listen-address', '127.0.0.1:0', 'aa', 'disks']
  execFileSync(NODE, [join(repository, 'src/main.ts'), ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: LIMIT_MS,
  })
  const { text, problems } = evaluate(join(state, 'journal.sqlite'))
  process.stdout.write(`\n${text}\n${problems.map((problem) => `${problem}\n`).join('')}`)
  process.stdout.write(`${2 - problems.length} passed, ${problems.length} failed\n`)
  if (values.write !== undefined) writeFileSync(values.write, text)
  process.exitCode = problems.length === 0 ? 0 : 1
} finally {
  await rm(directory, { recursive: true, force: true })
}

function configOf(state: string) {
  const tier = (serviceTime: string) => ({
    filesystem: { type: 'ext4', size: '256MiB' },
    emulate: { serviceTime },
  })
  const root = { tier: 'disk-10ms', bus: 'virtio-blk', format: 'raw', preallocation: 'full' }
  const study = {
    guest: 'small',
    workload: { script: { run: SCRIPT, to: 'device' } },
    blocks,
    pause: '1s',
  }
  return {
    state,
    tiers: { 'disk-10ms': tier('10ms'), 'disk-20ms': tier('20ms') },
    guests: {
      small: {
        system: 'appliance',
        memory: '128MiB',
        drives: { root: { ...root, size: '32MiB' } },
      },
    },
    studies: {
      aa: {
        ...study,
        factors: { name: { one: { memory: '128MiB' }, other: { memory: '128MiB' } } },
      },
      disks: { ...study, factors: { 'drives.root.tier': ['disk-20ms', 'disk-10ms'] } },
    },
  }
}

function evaluate(journalFile: string): { text: string; problems: string[] } {
  using journal = openReader(journalFile)
  const load = measure('load')
  const [aa, disks] = ['aa', 'disks'].map((name) => {
    const { runs, seed } = studyResults(readStudy(journal, name, { samples: true })!)
    return { values: blockValues(runs, load), seed }
  }) as [Controlled, Controlled]
  const none = falsePositives(aa.values, ['one', 'other'], load, { seed: 1 })
  const [found] = compareAll([['one', 'other']], aa.values, load, aa.seed)
  const [held] = compareAll([['disk-10ms', 'disk-20ms']], disks.values, load, disks.seed)
  const control = positiveControl(held!, EXPECTED)
  const seconds = Math.round((Date.now() - began) / 1000)
  const numbers = (of: Controlled, name: string) =>
    valuesOf(of.values, name)
      .map((value) => value.toFixed(1))
      .join(', ')
  const text = `# Controls of the report's rule

\`npm run test:controls\` at commit ${commitWords()} on ${new Date().toISOString().slice(0, 10)} (${hostWords()}, TCG): ${seconds} s, ${blocks} blocks.

| study | case | seconds of 1,200 direct writes of 4 KiB, block by block |
| --- | --- | --- |
| aa | one | ${numbers(aa, 'one')} |
| aa | other, the same | ${numbers(aa, 'other')} |
| disks | disk-20ms | ${numbers(disks, 'disk-20ms')} |
| disks | disk-10ms | ${numbers(disks, 'disk-10ms')} |

- **Nothing to find**: with the names of the cases exchanged at random within blocks ${none.permutations} times, the rule found a difference in ${none.found}, which is ${percent(none.share)}; at most ${percent(none.limit)} may be. As it was run: ${found!.verdict}, ratio ${ratioOf(found!)}.
- **Something to find**: disk-10ms over disk-20ms is ${ratioOf(held!)} times as fast, expected ${formatRatio(EXPECTED)}; ${control.found ? 'found' : 'not found'}.
`
  const problems = [
    ...(none.holds ? [] : ['aa: the rule finds differences where there are none']),
    ...(control.holds ? [] : ['disks: the ratio that was put there was not found']),
  ]
  return { text, problems }
}

interface Controlled {
  values: ReturnType<typeof blockValues>
  seed: number
}

function ratioOf({ ratio, interval }: NonNullable<ReturnType<typeof compareAll>[number]>): string {
  return `${ratio?.toFixed(3)} ${interval ? formatInterval(interval, (value) => value.toFixed(3)) : ''}`
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
