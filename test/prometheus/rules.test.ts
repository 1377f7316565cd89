import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { catalog } from '../../src/metrics/catalog.ts'
import { findTool, lacking } from '../tools.ts'
import {
  BYSTANDER,
  filesIn,
  folder,
  lackingTests,
  metricNames,
  type Rule,
  type RuleTest,
  readRules,
  readTests,
} from './rules.ts'

const exec = promisify(execFile)

async function promtool(...args: string[]): Promise<string> {
  try {
    return (await exec(findTool('promtool')!, args)).stdout
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    return stdout + stderr
  }
}

t.test('promtool accepts the rules', { skip: lacking('promtool') }, async (t) => {
  const rules = await readRules()
  const said = await promtool('check', 'rules', ...(await filesIn('rules')))
  const found = [...said.matchAll(/SUCCESS: (\d+) rules found/g)].map(([, count]) => Number(count))
  t.equal(
    found.reduce((sum, count) => sum + count, 0),
    rules.length,
    said,
  )
})

t.test('promtool runs the tests', { skip: lacking('promtool') }, async (t) => {
  const files = await filesIn('tests')
  const said = await Promise.all(files.map((file) => promtool('test', 'rules', file)))
  for (const [index, file] of files.entries()) {
    t.match(said[index], /SUCCESS/, basename(file))
    t.notMatch(said[index], /FAILED/, said[index]!)
  }
})

t.test('promtool would say what is wrong', { skip: lacking('promtool') }, async (t) => {
  const text = await readFile(join(folder, 'tests/demand.yml'), 'utf8')
  const file = join(t.testdir(), 'demand.yml')
  const broken = text
    .replaceAll('../rules', join(folder, 'rules'))
    .replace('guest="g"}\', value: 0.1 }', 'guest="g"}\', value: 0.2 }')
  await writeFile(file, broken)
  t.match(await promtool('test', 'rules', file), /FAILED:\n +expr: "round\(tier_guest:kvmio_demand/)
})

t.test('each rule and each alert has its test', async (t) => {
  t.strictSame(lackingTests(await readRules(), await readTests()), [])
})

t.test('metrics that rules, alerts and their tests name are in the catalog', async (t) => {
  const rules = await readRules()
  const known = new Set(catalog.flatMap(({ name }) => [name, `${name}_bucket`]))
  for (const { record } of rules) if (record !== undefined) known.add(record)
  const tests = await readTests()
  const named = [
    ...rules.flatMap(({ expr, annotations = {} }) => [expr, ...Object.values(annotations)]),
    ...tests.flatMap(({ input_series, promql_expr_test = [] }) => [
      ...input_series.map(({ series }) => series),
      ...promql_expr_test.map(({ expr }) => expr),
    ]),
  ].flatMap(metricNames)
  t.ok(named.length > 100)
  t.strictSame(
    [...new Set(named)].filter((name) => !known.has(name)),
    [],
  )
})

t.test('a rule is called level:metric:operations, and a comment says what it is', async (t) => {
  for (const file of await filesIn('rules')) {
    const lines = (await readFile(file, 'utf8')).split('\n')
    const told = new Set<string>()
    for (const [index, line] of lines.entries()) {
      const name = /^ {6}- record: (.+)$/.exec(line)?.[1]
      if (name === undefined) continue
      t.match(name, /^[a-z_]+:kvmio_[a-z_]+:[a-z0-9_]+$/, name)
      // Another window, or another label, of the same thing.
      const stem = name.replace(/\d+[mhd]$/, '')
      if (!told.has(stem)) t.match(lines[index - 1], /^ {6}# /, `${basename(file)}: ${name}`)
      told.add(stem)
    }
  }
})

t.test('no rule names a host, and none loses what a scrape added', async (t) => {
  for (const { record, alert, expr } of await readRules()) {
    t.notMatch(expr, /\b(instance|cluster)\s*=/, `${record ?? alert}`)
    t.notMatch(expr, /\bby\s*\(|\bon\s*\(/, `${record ?? alert}: without and ignoring`)
  }
})

const RULES: Rule[] = [
  { file: 'a.yml', record: 'tier:kvmio_x:sum', expr: 'kvmio_x', labels: { method: 'b' } },
  { file: 'a.yml', alert: 'KvmioX', expr: 'kvmio_x > 1' },
]
const series = { series: `kvmio_x{instance="${BYSTANDER}"}`, values: '0x9' }
const firing = (instance = 'a:1') => ({
  alertname: 'KvmioX',
  eval_time: '2m',
  exp_alerts: [{ exp_labels: { instance }, exp_annotations: {} }],
})
const silent = { alertname: 'KvmioX', eval_time: '1m' }
const samples = (labels: string, expr = 'round(tier:kvmio_x:sum, 1)') => ({
  promql_expr_test: [{ expr, eval_time: '1m', exp_samples: [{ labels }] }],
})
const NO_SAMPLE = 'a.yml: no test expects a sample of tier:kvmio_x:sum{method="b"}'
const NOT_WHOLE = 'KvmioX: no test has it silent, firing and silent again'

const GATE: [what: string, tests: Partial<RuleTest>[], problems: string[]][] = [
  ['none', [], [NO_SAMPLE, 'KvmioX: no test']],
  ['all', [{ ...samples('{method="b"}'), alert_rule_test: [silent, firing(), silent] }], []],
  [
    'another label, another rule',
    [
      { ...samples('{method="c"}'), alert_rule_test: [silent, firing(), silent] },
      samples('{method="b"}', 'tier:kvmio_x:sum5m'),
    ],
    [NO_SAMPLE],
  ],
  [
    'nothing before',
    [{ ...samples('method="b"'), alert_rule_test: [firing(), silent] }],
    [NOT_WHOLE],
  ],
  [
    'nothing after',
    [{ ...samples('method="b"'), alert_rule_test: [silent, firing()] }],
    [NOT_WHOLE],
  ],
  ['never firing', [{ ...samples('method="b"'), alert_rule_test: [silent, silent] }], [NOT_WHOLE]],
  [
    'no bystander',
    [{ ...samples('method="b"'), input_series: [], alert_rule_test: [silent, firing(), silent] }],
    [`KvmioX: no such test has series of ${BYSTANDER}`],
  ],
  [
    'a bystander that fires',
    [{ ...samples('method="b"'), alert_rule_test: [silent, firing(BYSTANDER), silent] }],
    [`KvmioX: a test expects it of ${BYSTANDER}`],
  ],
]

t.test('the gate says what has no test', async (t) => {
  for (const [what, tests, problems] of GATE) {
    const whole = tests.map((test) => ({
      file: 't.yml',
      name: '',
      input_series: [series],
      ...test,
    }))
    t.strictSame(lackingTests(RULES, whole), problems, what)
  }
})
