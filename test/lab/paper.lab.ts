// The figures of the paper that need LVM and reiserfs, in sittings: the state directory, with the journal and the tiers'
// loop files in it, is on a disk that the next lab host has again. It runs only when it is asked for by its name.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findStudies } from '../../src/cli/studies.ts'
import { loadConfig } from '../../src/config/load.ts'
import { type RunRecord, readStudy } from '../../src/journal/read-study.ts'
import { openReader } from '../../src/journal/reader.ts'
import { run } from '../../src/lib/process.ts'
import type { TierFacts } from '../../src/storage/tier-facts.ts'
import type { RunFindings } from '../../src/study/findings.ts'
import { type CasePlan, planCases } from '../../src/study/plan.ts'
import type { Analysis } from '../../src/study/report/analysis.ts'
import { matching } from '../../src/study/runnable.ts'
import {
  clearHome,
  type Home,
  homeIn,
  journal,
  kvmio,
  nothingLeft,
  repository,
  until,
} from '../e2e/kvmio.ts'
import { DEATH, DEATHS, guestsBootHere, OUTPUT, tellOf } from './inside.ts'
import { FIGURES, type Part, parseSitting } from './sitting.ts'

const KEPT = '/dev/disk/by-id/virtio-kept'
const PLACE = '/srv/paper'
const SUITE = 'paper-lab'
const SUITE_FILE = join(repository, 'studies', `${SUITE}.yaml`)
/** For what a run is given up within, and its vms and tiers are taken down. */
const END_MS = 600_000
const REPORT_MS = 1_200_000

/** What kvmio says of a run whose host died in an earlier sitting: it is done again, and counts as no success. */
const GONE = 'was gone when kvmio came back'

const began = Date.now()
const sitting = parseSitting(process.argv.slice(2))
if (typeof sitting === 'string') throw new Error(sitting)
const { parts, only, blocks, minutes } = sitting
const deadline = began + minutes * 60_000

const filesystem = (type: string) => ({ filesystem: { type, size: '2GiB' } })
const CONFIG = {
  tiers: {
    ...Object.fromEntries(
      ['ext4', 'ext3', 'ext2', 'reiserfs', 'xfs', 'btrfs'].map((type) => [type, filesystem(type)]),
    ),
    'ext4-sync': { filesystem: { type: 'ext4', size: '2GiB', mount: ['sync'] } },
    lvm: { volumeGroup: { name: 'lab' } },
  },
  guests: {
    student: {
      accel: 'kvm',
      deadlines: { start: '4m', boot: '6m', phase: '30m' }, // now and then one never begins to run
      drives: { root: { tier: 'ext4', size: '1GiB' } },
    },
  },
}

await mountKept()
await makeVolumeGroup()
// kvmio is started again and again. Not on the disk that is kept: nothing of a host that died is to be trusted.
process.env.NODE_COMPILE_CACHE = '/var/tmp/compiled'
const home = await homeIn(PLACE, CONFIG)
await guestsBootHere(home)

const passedBefore = passedInAll()
const ends: string[] = []
for (const part of parts) {
  if (Date.now() < deadline) await t.test(part, async (t) => await runPart(t, part))
  else t.comment(`${part}: the time was over before`)
}
await t.test('what comes out of it', report)
await t.test('what is left', async (t) => {
  await clearHome(home)
  await nothingLeft(t, home)
})

async function mountKept(): Promise<void> {
  await mkdir(PLACE, { recursive: true })
  if ((await run('wipefs', ['--no-act', '--noheadings', KEPT])).trim() === '') {
    const whole = ['-E', 'nodiscard,lazy_itable_init=0,lazy_journal_init=0', '-N', '65536']
    await run('mkfs.ext4', ['-q', ...whole, KEPT], { timeoutMs: END_MS })
  }
  await run('mount', ['-o', 'discard', KEPT, PLACE], { timeoutMs: END_MS })
  t.teardown(async () => {
    // udev may still look at a loop device that stood on it.
    const unmounted = () =>
      run('umount', [PLACE]).then(
        () => true,
        () => false,
      )
    await until(`${PLACE} to be unmounted`, unmounted, END_MS)
  })
}

/** On a loop file beside those of the filesystems, so that all have the same under them. */
async function makeVolumeGroup(): Promise<void> {
  const file = join(PLACE, 'volumes.img')
  await rm(file, { force: true })
  await run('truncate', ['-s', '2G', file])
  const device = (await run('losetup', ['--direct-io=on', '--find', '--show', file])).trim()
  await run('modprobe', ['dm_mod']) // or the first volume has it loaded, which is too late
  await run('vgcreate', ['-q', 'lab', device])
  t.teardown(async () => {
    await run('vgremove', ['-q', '-f', 'lab'])
    await run('losetup', ['-d', device])
    await rm(file)
  })
}

async function runPart(t: Test, part: Part): Promise<void> {
  const wanted = matching(await casesOf(part), only).map(({ name }) => name)
  t.not(wanted.length, 0, `its cases are ${wanted.join(', ')}`)
  const earlier = new Set(journal(home).map(({ id }) => id))
  const end = await runBlocks(part)
  ends.push(end)
  const runs = runsOf(part)
  const ran = runs.filter(({ id }) => !earlier.has(id))
  for (const each of ran) t.comment(sentenceOf(each))
  for (const line of timesOf(runs)) t.comment(line)
  t.strictSame(
    ran.flatMap(({ outcome, case: of, reason }) => (outcome === 'failed' ? [[of, reason]] : [])),
    [],
    'no run failed',
  )
  for (const each of ran.filter(({ outcome }) => outcome === 'passed')) {
    t.strictSame(tierLacks(each), [], `${each.case} was on what it is called after`)
    const conservation = part === 'virtio-optimizations' ? /^exempt: / : /^held: /
    t.match(conservationOf(each), conservation, `${each.case}: ${conservationOf(each)}`)
  }
  if (end === 'late') t.comment('the time was over; the next sitting goes on from there')
  else {
    t.equal(end, 'done', 'kvmio ended well')
    const have = passedCases(runs)
    t.strictSame(
      wanted.filter((name) => !have.has(name)),
      [],
      'each case that was asked for has passed',
    )
  }
}

/** Those that this host might lack are among them. */
async function casesOf(part: Part): Promise<CasePlan[]> {
  const config = await loadConfig(home.configFile)
  const [found] = await findStudies([`${SUITE_FILE}#${part}`], config)
  return planCases(found!.study, found!.guest, config.tiers)
}

/** Runs as many blocks as are asked for: done, late where the time is over before, or what kvmio said when it failed. */
async function runBlocks(part: Part): Promise<string> {
  const isOneBlock = blocks !== undefined || only !== undefined
  const words = [
    ...['run', `${SUITE_FILE}#${part}`],
    ...(isOneBlock ? ['--once'] : []),
    ...(only === undefined ? [] : ['--only', only]),
  ]
  for (let done = 0, deaths = 0; done < (blocks ?? 1); ) {
    const left = deadline - Date.now()
    if (left <= 0) return 'late'
    const started = kvmio(home, words)
    tellOf(started, home)
    const timer = setTimeout(() => started.kill('SIGINT'), left)
    const { signal, code, stdout, stderr } = await started.end(left + END_MS)
    clearTimeout(timer)
    for (const line of stdout.trim().split('\n')) console.log(`# ${line}`)
    if (DEATH.has(signal) && deaths < DEATHS) {
      deaths += 1
      console.log(`# Node died of ${signal}; on from where it was`)
    } else if (Date.now() >= deadline) return 'late'
    else if (code !== 0 && !stdout.includes(GONE))
      return `${signal ?? `exit ${code}`}: ${stderr.trim().split('\n').at(-1)}`
    else {
      done += 1
      deaths = 0
    }
  }
  return 'done'
}

function runsOf(part: Part): RunRecord[] {
  using reader = openReader(join(home.state, 'journal.sqlite'))
  const study = readStudy(reader, `${SUITE}-${part}`)
  return study?.blocks.flatMap(({ runs }) => runs) ?? []
}

function passedCases(runs: readonly RunRecord[]): Set<string> {
  return new Set(runs.flatMap(({ case: of, outcome }) => (outcome === 'passed' ? of : [])))
}

function sentenceOf({ case: name, outcome, reason, startedAt, endedAt, vms }: RunRecord): string {
  const took = endedAt === undefined ? '' : ` in ${Math.round(endedAt - startedAt)} s`
  const phases = vms.flatMap(({ phases }) =>
    phases.flatMap(({ phase, seconds }) =>
      seconds === undefined ? [] : `${phase} ${seconds.toFixed(1)}`,
    ),
  )
  return `${name}: ${outcome}${took} (${phases.join(', ')})${reason === undefined ? '' : `: ${reason}`}`
}

/** What its tier should have been and was not. */
function tierLacks({ case: name, manifest, counts }: RunRecord): string[] {
  const { tiers } = manifest as { tiers: Record<string, TierFacts> }
  const [tier, facts] = Object.entries(tiers)[0]!
  const isFilesystem = tier in CONFIG.tiers && tier !== 'lvm'
  const written = counts.find(({ layer, name }) => layer === 'device' && name === facts.device)
  return [
    ...(name in CONFIG.tiers && name !== tier ? [`it was on ${tier}`] : []),
    ...(isFilesystem && facts.filesystem !== tier
      ? [`its filesystem was ${facts.filesystem}`]
      : []),
    ...(tier === 'lvm' && !facts.config.volumeGroup ? ['it was on no volume group'] : []),
    ...(written?.writes ? [] : [`nothing was written to its device ${facts.device}`]),
  ]
}

function conservationOf({ findings }: RunRecord): string {
  const { conservation } = findings as RunFindings
  return conservation
    .map((found) =>
      'exempt' in found
        ? `exempt: ${found.exempt}`
        : `${found.holds ? 'held' : 'broken'}: ${found.writtenBytes} of ${found.expectedBytes} bytes`,
    )
    .join('; ')
}

/** How long a run of each case takes here, from all sittings: what the rest of it can be planned by. */
function timesOf(runs: readonly RunRecord[]): string[] {
  return [...Map.groupBy(runs, (each) => each.case)].map(([name, of]) => {
    const passed = of.filter(({ outcome }) => outcome === 'passed')
    const seconds = passed.map(({ startedAt, endedAt }) => endedAt! - startedAt)
    const mean = seconds.reduce((sum, each) => sum + each, 0) / seconds.length
    const took = seconds.length === 0 ? '' : `, ${mean.toFixed(0)} s each`
    return `${name}: ${of.length} runs in all, ${passed.length} passed${took}`
  })
}

function passedInAll(): number {
  return journal(home).filter(({ outcome }) => outcome === 'passed').length
}

async function report(t: Test): Promise<void> {
  const passed = passedInAll() - passedBefore
  t.ok(passed > 0 || ends.includes('done'), `${passed} runs have passed in this sitting`)
  const page = join(OUTPUT, 'report.html')
  await say(home, ['report', SUITE_FILE, '--output', page])
  const exported = await say(home, ['journal', 'export', '--samples'])
  await writeFile(join(OUTPUT, 'journal.jsonl'), exported)
  const lines = exported
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string })
  t.equal(
    lines.filter(({ type }) => type === 'run').length,
    journal(home).length,
    'the export has each run',
  )
  const text = await readFile(page, 'utf8')
  const pictures = text.match(/<figure>.*?<\/figure>/gs) ?? []
  t.not(pictures.length, 0, `${pictures.length} pictures`)
  const isScaled = (picture: string) => /Scaled down: 64 MiB .*<\/figcaption>/.test(picture)
  t.ok(pictures.every(isScaled), 'each says what its scale is')
  const begun = parts.filter((part) => passedCases(runsOf(part)).size > 0)
  t.not(begun.length, 0, `there are results of ${begun.join(', ')}`)
  for (const part of begun) {
    const name = `${SUITE}-${part}`
    const file = join(OUTPUT, `${name}.json`)
    await say(home, ['report', name, '--format', 'json', '--output', file])
    const { analysis } = JSON.parse(await readFile(file, 'utf8')) as { analysis: Analysis }
    const { paper } = analysis
    t.equal(paper?.figure, FIGURES[part], `${name} repeats ${FIGURES[part]}`)
    t.ok(text.includes(`<strong>${FIGURES[part]}:</strong>`), `${FIGURES[part]} is on the page`)
    const isWhole = passedCases(runsOf(part)).size === (await casesOf(part)).length
    if (!isWhole) continue
    t.strictSame(
      paper?.claims.flatMap(({ found, agreement }) => (agreement === 'not measured' ? found : [])),
      [],
      `${FIGURES[part]}: each of its findings is measured`,
    )
  }
}

async function say(home: Home, words: readonly string[]): Promise<string> {
  for (let tries = 0; ; tries++) {
    const { code, signal, stdout, stderr } = await kvmio(home, words).end(REPORT_MS)
    if (code === 0) return stdout
    if (!DEATH.has(signal) || tries === DEATHS)
      throw new Error(`kvmio ${words.join(' ')}: ${signal ?? `exit ${code}`}: ${stderr}`)
  }
}
