import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { type ReportOptions, report as write } from '../../src/cli/report.ts'
import { Journal } from '../../src/journal/journal.ts'
import { recordEnd, recordStart } from '../../src/journal/runs.ts'
import { endBlock, openBlock, recordStudy } from '../../src/journal/studies.ts'
import { vmPhases } from '../../src/journal/vms.ts'

const main = join(import.meta.dirname, '../../src/main.ts')

/** A folder with a config and a journal, in which these studies have run six blocks. */
async function hostWith(t: Test, names: readonly string[]) {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-report-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  await writeFile(
    join(directory, 'kvmio.yaml'),
    `state: ./state
tiers: { here: { directory: ./here } }
guests: { small: { system: appliance, drives: { root: { tier: here, size: 64MiB } } } }
`,
  )
  await mkdir(join(directory, 'state'))
  await mkdir(join(directory, 'studies'))
  await writeFile(
    join(directory, 'studies/paper.yaml'),
    `studies:
  buses: { guest: small, workload: { idle: { time: 1s } } }
  lvm: { guest: small, workload: { idle: { time: 1s } } }
`,
  )
  const journal = new Journal(join(directory, 'state/journal.sqlite'))
  for (const name of names) fill(journal, name)
  journal.close()
  return directory
}

function fill(journal: Journal, name: string): void {
  const config = { study: { hostCache: 'warm', factors: {} }, guest: {} }
  const study = recordStudy(journal, { name, hash: name, config, seed: 1 })
  for (let block = 1; block <= 6; block++) {
    const { id: blockId } = openBlock(journal, study.id)
    for (const bus of ['ide', 'virtio-blk']) {
      const backend = { kind: 'file', path: '/x' }
      const drive = { name: 'root', tier: 'here', bus, format: 'qcow2', cache: 'none', backend }
      const vms = [{ name: 'vm', plan: { accelerator: 'tcg', drives: [drive] } }]
      const words = {
        caseName: bus,
        factors: { 'drives.root.bus': bus },
        manifest: { host: 'desk' },
      }
      const { id, vmIds } = recordStart(journal, { blockId, ...words, vms })
      vmPhases(journal, vmIds[0]!, 1, [
        { seq: 1, phase: 'write', uptime: 1 },
        { seq: 2, phase: 'off', uptime: (bus === 'ide' ? 20 : 10) + block / 10 },
      ])
      recordEnd(journal, id, { outcome: 'passed' })
    }
    endBlock(journal, blockId)
  }
}

async function report(cwd: string, ...words: string[]) {
  return await new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [main, 'report', ...words], { cwd }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr })
    })
  })
}

t.test('a page, JSON and CSV come out where it says', async (t) => {
  const directory = await hostWith(t, ['demo'])
  t.strictSame(await report(directory, 'demo'), {
    code: 0,
    stdout: `${join(directory, 'report-demo.html')}\n`,
    stderr: '',
  })
  const page = await readFile(join(directory, 'report-demo.html'), 'utf8')
  t.ok(page.includes('virtio-blk over ide: 2.'), 'with what can be concluded')
  t.equal((await report(directory, 'demo', '--format', 'csv')).code, 0)
  t.equal((await report(directory, 'demo', '--format', 'json', '--output', 'a.json')).code, 0)
  const files = ['a.json', 'report-demo-cases.csv', 'report-demo.csv', 'report-demo.html']
  t.strictSame((await readdir(directory)).filter((name) => files.includes(name)).sort(), files)
  const { analysis } = JSON.parse(await readFile(join(directory, 'a.json'), 'utf8'))
  t.equal(analysis.study, 'demo')
  const { stdout } = await report(directory, 'demo', '--format', 'csv', '--output', '-')
  t.equal(stdout.split('\r\n').length, 1 + 12 + 1)
})

t.test('two are held beside each other, from files of hosts that are elsewhere', async (t) => {
  const directory = await hostWith(t, ['demo'])
  await report(directory, 'demo', '--format', 'json', '--output', 'a.json')
  const text = await readFile(join(directory, 'a.json'), 'utf8')
  const other = text.replaceAll('"desk"', '"server"')
  await writeFile(join(directory, 'b.json.gz'), gzipSync(other))
  const { code, stdout } = await report(directory, 'a.json', 'b.json.gz')
  t.strictSame([code, stdout], [0, `${join(directory, 'report-a-b.html')}\n`])
  const page = await readFile(join(directory, 'report-a-b.html'), 'utf8')
  const titles = [...page.matchAll(/<h1>(.*?)<\/h1>/g)].map(([, title]) => title)
  t.strictSame(titles, ['desk beside server', 'Study demo, desk', 'Study demo, server'])
  t.ok(page.includes('they agree on 1, disagree on 0, and leave 0 open.'))
  const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
  t.equal(new Set(ids).size, ids.length, 'no place has two names')
})

t.test('a suite is one page with a chapter for each study that has run', async (t) => {
  const directory = await hostWith(t, ['paper-buses', 'paper-lvm', 'demo'])
  const { stdout } = await report(directory, 'paper')
  t.equal(stdout, `${join(directory, 'report-paper.html')}\n`)
  const page = await readFile(join(directory, 'report-paper.html'), 'utf8')
  const titles = [...page.matchAll(/<h1>(.*?)<\/h1>/g)].map(([, title]) => title)
  t.strictSame(titles, ['Study paper-buses', 'Study paper-lvm'])
  t.ok(page.includes('Figure 2 of the paper: Buses'))
  t.match(await report(directory, 'studies/paper.yaml#lvm', '--format', 'json', '--output', '-'), {
    code: 0,
    stdout: /^\{"format":"kvmio report 1","results":\{"name":"paper-lvm"/,
  })
})

t.test('what cannot be is said', async (t) => {
  const directory = await hostWith(t, ['paper-buses', 'paper-lvm', 'demo'])
  await writeFile(join(directory, 'bad.json'), '{}')
  await writeFile(join(directory, 'bad.json.gz'), '{}')
  const configFile = join(directory, 'kvmio.yaml')
  const none = `no study nonesuch; ${configFile} has none; suites beside it are paper`
  const at = (file: string) => join(directory, file)
  const bad: [studies: string[], options: Partial<ReportOptions>, name: string, message: string][] =
    [
      [['nonesuch'], {}, 'UsageError', `${none}; the journal has demo, paper-lvm, paper-buses`],
      [['a', 'b', 'c'], {}, 'UsageError', 'one study, or two to compare; got 3'],
      [
        ['demo', 'demo'],
        { format: 'csv' },
        'UsageError',
        'two studies are compared as html; json and csv are of one study',
      ],
      [
        ['paper'],
        { format: 'csv' },
        'UsageError',
        'paper is a suite; name one of its studies: paper-buses, paper-lvm',
      ],
      [[at('none.json')], {}, 'UsageError', `${at('none.json')}: there is no such file`],
      [
        [at('bad.json.gz')],
        {},
        'KvmioError',
        `${at('bad.json.gz')}: cannot be read: incorrect header check`,
      ],
      [
        [at('bad.json')],
        {},
        'KvmioError',
        `${at('bad.json')}: expected the format "kvmio report 1" that kvmio report --format json writes, found none`,
      ],
      [
        ['demo'],
        { output: at('no/such.html') },
        'KvmioError',
        `${at('no/such.html')}: cannot be written: ENOENT: no such file or directory, open '${at('no/such.html')}'`,
      ],
    ]
  const log = { level: 'info', format: 'text' } as const
  for (const [studies, options, name, message] of bad) {
    const all = { configFile, log, studies, format: 'html', ...options } as const
    await t.rejects(write(all), { name, message })
  }
  t.match(await report(directory, 'demo', '--format', 'pdf'), {
    code: 2,
    stderr: /argument 'pdf' is invalid. Allowed choices are html, json, csv/,
  })
})
