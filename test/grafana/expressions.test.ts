import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { findTool, lacking } from '../tools.ts'
import { expressions, readDashboards } from './dashboards.ts'
import { chosen, interpolate, secondsBack, stepOf } from './interpolate.ts'

const exec = promisify(execFile)
const HOUR = { seconds: 3600, step: 10, scrapeSeconds: 10 }

t.test('promtool parses every expression', { skip: lacking('promtool') }, async (t) => {
  const rules = (await readDashboards()).flatMap(([name, dashboard]) => {
    const values = Object.fromEntries(dashboard.templating.list.map(({ name }) => [name, 'x.1']))
    return expressions(dashboard).map(({ where, expr }) => ({
      record: 'dashboard:expr:x',
      // Two rules must not be the same.
      labels: { where: `${name} ${where} ${expr.length}` },
      expr: interpolate(expr, values, HOUR),
    }))
  })
  t.ok(rules.length > 200, `${rules.length} expressions`)
  const check = async (file: string, more: object[]) => {
    const path = join(t.testdirName, file)
    // JSON is YAML.
    await writeFile(path, JSON.stringify({ groups: [{ name: 'all', rules: [...rules, ...more] }] }))
    return exec(findTool('promtool')!, ['check', 'rules', '--lint=none', path]).then(
      ({ stdout }) => stdout,
      ({ stdout, stderr }) => `${stdout}${stderr}`,
    )
  }
  t.testdir()
  t.match(await check('good.yml', []), `${rules.length} rules found`)
  const bad = { record: 'dashboard:expr:x', expr: 'sum by (a (b)' }
  t.match(await check('bad.yml', [bad]), 'could not parse expression')
})

t.test('what stands for variables', async (t) => {
  const values = { job: '.+', vm: ['a.b', 'c'], one: ['x+'] }
  const expr = 'rate(a{job=~"$job",vm=~"$vm",one=~"$one"}[$__rate_interval])[$__range:$__interval]'
  t.equal(
    interpolate(expr, values, { seconds: 10_800, step: 30, scrapeSeconds: 10 }),
    'rate(a{job=~".+",vm=~"(a\\\\.b|c)",one=~"x\\\\+"}[40s])[10800s:30s]',
  )
  t.match(interpolate(expr, values, { ...HOUR, step: 60 }), '[70s]')
  t.throws(() => interpolate('a{b=~"$b"}', {}, HOUR), { message: 'a{b=~"$b"}: no value for $b' })
  t.equal(secondsBack('now-3h'), 10_800)
  t.equal(stepOf(3600, 10), 10)
  t.equal(stepOf(86_400, 10), 108)
  const all = { name: 'vm', type: 'query', includeAll: true }
  t.equal(chosen({ ...all, allValue: '.+' }, ['a']), '.+')
  t.strictSame(chosen(all, ['a', 'b']), ['a', 'b'])
  t.strictSame(chosen(all, []), [''])
  const phase = { name: 'phase', type: 'query', current: { value: 'write' } }
  t.equal(chosen(phase, ['boot', 'write']), 'write')
  t.equal(chosen(phase, ['boot', 'fio']), 'boot')
})
