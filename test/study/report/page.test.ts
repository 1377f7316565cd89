import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { html } from '../../../src/lib/html.ts'
import { analyse } from '../../../src/study/report/analysis.ts'
import { casesCsv, runsCsv } from '../../../src/study/report/csv.ts'
import { parseReportJson } from '../../../src/study/report/json.ts'
import { documentPage } from '../../../src/study/report/page/document.ts'
import { studyChapter } from '../../../src/study/report/page/study-page.ts'
import { besideChapter } from '../../../src/study/report/page/two-page.ts'
import type { StudyResults } from '../../../src/study/report/record.ts'
import { beside } from '../../../src/study/report/two.ts'
import { constructedCase, constructedStudy } from './constructed-study.ts'

const EVIL = '<script>alert("&\'1")</script>'

function buses(name = 'buses'): StudyResults {
  const cases = [
    constructedCase('ide', { bus: 'ide' }),
    constructedCase('virtio-blk'),
    constructedCase('unsafe', { cache: 'unsafe' }, { notDurable: 'cache unsafe' }),
  ]
  const seconds: Record<string, number> = { ide: 20, 'virtio-blk': 10, unsafe: 4 }
  return constructedStudy(name, cases, 6, (name, block) => seconds[name]! + block / 10)
}

async function pageOf(results: StudyResults): Promise<string> {
  return documentPage([await studyChapter(results, analyse(results))], '1.2.3').text
}

t.test('the page has its parts, in the order in which they are read', async (t) => {
  const page = await pageOf(buses())
  t.match(page, /^<!doctype html>\n<html lang="en">/)
  t.ok(
    page.includes('<strong>virtio-blk over ide: 1.97 times as fast [1.95, 1.99]</strong>'),
    '<strong>virtio-blk over ide: 1.97 times as fast [1.95, 1.99]</strong>',
  )
  t.ok(
    page.includes('<strong>On tier disk:</strong> virtio-blk (10.4 s), better than ide.'),
    '<strong>On tier disk:</strong> virtio-blk (10.4 s), better than ide.',
  )
  t.ok(
    page.includes(
      '<strong>Figure 2 of the paper:</strong> of 3 findings, this host agrees with 1 and did not measure 2.',
    ),
    '<strong>Figure 2 of the paper:</strong> of 3 findings, this host agrees with 1 and did not measure 2.',
  )
  const titles = [...page.matchAll(/<h2>(.*?)<\/h2>/g)].map(([, title]) => title)
  t.strictSame(titles, [
    'Time of the load',
    'Transactions of the device',
    'The device, second by second',
    'From the guest to the device',
    'What can be concluded',
    'What cannot be concluded, and why',
    'What to choose on each tier',
    'Can the transactions hold the bytes?',
    'Every run',
    'How this was concluded',
    'On what it was measured',
    'The data',
  ])
  const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
  t.equal(new Set(ids).size, ids.length, 'no place has two names')
  for (const [, id] of page.matchAll(/href="#([^"]+)"/g)) t.ok(ids.includes(id!), `#${id}`)
})

t.test('it asks nothing of a network, and runs nothing', async (t) => {
  const page = await pageOf(buses())
  t.notMatch(page, /<script|<link|<img|<iframe|@import|url\(/)
  const addresses = [...page.matchAll(/(?:href|src)="([^"#]{5})/g)].map(([, start]) => start)
  t.strictSame([...new Set(addresses)], ['data:'])
  const namespaces = [...page.matchAll(/https?:\/\/[^"'<\s]+/g)].map(([address]) => address)
  t.strictSame(
    [...new Set(namespaces)].filter((address) => !address.startsWith('http://www.w3.org/')),
    [],
  )
})

t.test('figures are drawn for a page and for a phone, in the colours of the page', async (t) => {
  const page = await pageOf(buses())
  const svgs = [
    ...page.matchAll(/<svg [^>]*class="(wide|narrow)" role="img" aria-label="([^"]+)".*?<\/svg>/gs),
  ]
  // Two measures of two classes, three timelines, the layers.
  t.equal(svgs.length, 2 * (4 + 3 + 1))
  t.equal(svgs.filter(([, kind]) => kind === 'wide').length, svgs.length / 2)
  for (const [svg, , label = ''] of svgs) {
    t.match(svg, /viewBox="0 0 \d+ \d+"/, label)
    t.notMatch(svg, /NaN|undefined|Infinity/, label)
    t.notMatch(svg, /(?:fill|stroke)="(?:#|black|white)/, `${label}: no colour of its own`)
  }
  const sizes = (kind: string) =>
    new Set(
      svgs
        .filter(([svg, is]) => is === kind && !svg.includes('second by second'))
        .map(([svg]) => /viewBox="0 0 (\d+)/.exec(svg)![1]),
    )
  t.ok(sizes('narrow').size <= 2, 'figures of a kind have one width, so that texts have one size')
  const used = new Set([...page.matchAll(/var\((--[\w-]+)\)/g)].map(([, name]) => name!))
  for (const name of used) {
    const times = page.split(`${name}:`).length - 1
    t.equal(times, 3, `${name} in light, dark and print`)
  }
})

t.test('each figure of a study that is scaled down says so', async (t) => {
  const figures = async (scale?: string) =>
    (await pageOf({ ...buses(), scale })).match(/<figure>.*?<\/figure>/gs) ?? []
  const scaled = await figures('a tenth of the size')
  t.equal(scaled.length, 4 + 3 + 1)
  for (const figure of scaled) t.match(figure, 'Scaled down: a tenth of the size.</figcaption>')
  t.notMatch((await figures()).join(''), 'Scaled down')
})

t.test('bars end where their medians are', async (t) => {
  const { text } = (await studyChapter(buses(), analyse(buses()))).sections[0]!.body
  const [svg] = /<svg [^>]*class="wide".*?<\/svg>/s.exec(text)!
  // The axis ends at 22 s and 720 pixels: 20.35 s are 666 of them, 10.35 s 338.727.
  const bars = [...svg.matchAll(/d="M0,\d+h([\d.]+)v18h-/g)].map(([, width]) =>
    Number(width).toFixed(2),
  )
  t.strictSame(bars, ['666.00', '338.73'])
})

t.test('whatever config and guests say is text', async (t) => {
  const results = buses(EVIL)
  const rename = (name: string) => `${EVIL}${name}`
  results.cases = results.cases.map((each) => ({
    ...each,
    name: rename(each.name),
    tier: EVIL,
    accelerator: EVIL,
    factors: { [EVIL]: EVIL },
    ...(each.notDurable && { notDurable: EVIL }),
  }))
  results.scale = EVIL
  results.skipped = [{ case: EVIL, reason: EVIL }]
  for (const run of results.runs) {
    run.case = rename(run.case)
    run.remarks = [EVIL]
    run.manifest = { host: EVIL, [EVIL]: { deep: EVIL.repeat(20) } }
    for (const sample of run.samples) sample.phase = EVIL
    run.phases.push({ name: EVIL, seconds: 1 })
  }
  results.runs[0]!.outcome = 'failed'
  results.runs[0]!.reason = EVIL
  for (const name of [results.name, 'buses']) {
    const evil = { ...results, name }
    const page = await pageOf(evil)
    t.ok(page.includes('&lt;script&gt;'))
    t.notMatch(page, /<script/i)
    t.notMatch(page, /="[^"]*<script/)
    const sides = [
      { results: evil, analysis: analyse(evil) },
      { results: evil, analysis: analyse(evil) },
    ] as const
    const two = await besideChapter(
      { title: EVIL, analysis: sides[0].analysis },
      { title: EVIL, analysis: sides[1].analysis },
      beside(...sides),
    )
    t.notMatch(documentPage([two], EVIL).text, /<script/i)
  }
})

t.test('the data on the page is what the files of the command hold', async (t) => {
  const results = buses()
  const page = await pageOf(results)
  const files = [...page.matchAll(/download="([^"]+)" href="data:[^,]+;base64,([^"]+)"/g)]
  const [runs, cases, json] = files.map(([, , base64]) => Buffer.from(base64!, 'base64'))
  t.strictSame(
    files.map(([, name]) => name),
    ['buses-runs.csv', 'buses-cases.csv', 'buses.json.gz'],
  )
  t.equal(runs!.toString(), runsCsv(results))
  t.equal(cases!.toString(), casesCsv(analyse(results)))
  t.strictSame(parseReportJson('x', gunzipSync(json!).toString()), results)
})

t.test('the same results give the same page', async (t) => {
  t.equal(await pageOf(buses()), await pageOf(buses()))
})

t.test('a study of one case and of one run, without samples or layers, has a page', async (t) => {
  const results = constructedStudy('one', [constructedCase('only')], 1, () => 5)
  for (const run of results.runs) {
    run.samples = []
    run.layers = {}
  }
  const page = await pageOf(results)
  t.ok(page.includes('Nothing can be concluded.'), 'Nothing can be concluded.')
  t.notMatch(page, /NaN|undefined/)
  const failed = {
    ...results,
    runs: results.runs.map((run) => ({ ...run, outcome: 'failed' as const })),
  }
  const nothing = await pageOf(failed)
  t.ok(nothing.includes('0 of 1 run passed'))
  t.ok(nothing.includes('Not measured: only.'), 'in place of an axis without a bar')
  t.notMatch(nothing, /<svg/)
})

t.test('templates escape all but markup', async (t) => {
  t.equal(
    html`<b>${'<&"\''}</b>${html`<i>${1}</i>`}${undefined}${false}${[html`<u></u>`, '<']}`.text,
    '<b>&lt;&amp;&quot;&#39;</b><i>1</i><u></u>&lt;',
  )
})
