import t from 'tap'
import { analyse } from '../../../src/study/report/analysis.ts'
import { casesCsv, runsCsv } from '../../../src/study/report/csv.ts'
import { parseReportJson, reportJson } from '../../../src/study/report/json.ts'
import { constructedCase, constructedRun, constructedStudy } from './constructed-study.ts'

function results() {
  return constructedStudy('demo', [constructedCase('a'), constructedCase('b')], 6, (name, block) =>
    name === 'a' ? 10 + block : 20 + block,
  )
}

function parse(csv: string): Record<string, string>[] {
  const [head, ...rows] = csv
    .trimEnd()
    .split('\r\n')
    .map((line) => line.split(','))
  return rows.map((row) => Object.fromEntries(head!.map((name, index) => [name, row[index]!])))
}

t.test('medians can be had again from the CSV of the runs', async (t) => {
  const study = results()
  const rows = parse(runsCsv(study))
  t.equal(rows.length, 12)
  const cases = parse(casesCsv(analyse(study)))
  for (const measure of ['load', 'tps']) {
    for (const name of ['a', 'b']) {
      const own = rows
        .filter((row) => row.case === name && row.outcome === 'passed')
        .map((row) => Number(row[`measure_${measure}`]))
        .sort((a, b) => a - b)
      const said = cases.find((row) => row.case === name && row.measure === measure)!
      t.equal(Number(said.median), (own[2]! + own[3]!) / 2, `${measure} of ${name}`)
    }
  }
  t.match(rows[0], {
    run: '1',
    block: '1',
    case: 'a',
    tier: 'disk',
    durable: 'true',
    phase_write_seconds: '11',
    device_reads: '100',
    process_reads: '',
    cgroup_writes: '',
  })
  t.match(
    cases.find((row) => row.case === 'b' && row.measure === 'load'),
    {
      reference: 'a',
      paired_blocks: '6',
      verdict: 'differs',
    },
  )
})

t.test('texts are quoted, and none is a formula', async (t) => {
  const study = results()
  study.runs = [
    constructedRun(1, '=HYPERLINK("x")', 1, 5, { outcome: 'failed', reason: 'a, "b"\nc' }),
  ]
  t.match(runsCsv(study), `demo,1,1,"'=HYPERLINK(""x"")",failed,"a, ""b""\nc",`)
})

t.test('the JSON is read again, by this version alone', async (t) => {
  const study = results()
  t.strictSame(parseReportJson('a.json', reportJson(study, analyse(study))), study)
  const bad: [text: string, message: string | RegExp][] = [
    ['{', /^a\.json: not JSON: /],
    [
      'null',
      'a.json: expected the format "kvmio report 1" that kvmio report --format json writes, found none',
    ],
    ['{"format":"kvmio report 9"}', /found "kvmio report 9"$/],
    ['{"format":"kvmio report 1","results":{"name":5}}', /^a\.json: results\.name: expected text$/],
  ]
  for (const [text, message] of bad) t.throws(() => parseReportJson('a.json', text), { message })
})
