import t from 'tap'
import { analyse } from '../../../src/study/report/analysis.ts'
import type { StudyResults } from '../../../src/study/report/record.ts'
import { beside } from '../../../src/study/report/two.ts'
import { constructedCase, constructedStudy, noise } from './constructed-study.ts'

function host(
  name: string,
  seconds: Record<string, number>,
  seed: number,
  blocks = 8,
): StudyResults {
  const cases = Object.keys(seconds).map((each) =>
    each === 'emulated' && name === 'server'
      ? constructedCase(each, {}, { accelerator: 'tcg' })
      : constructedCase(each),
  )
  const random = noise(seed, 0.03)
  const results = constructedStudy('demo', cases, blocks, (each) => seconds[each]! * random())
  for (const run of results.runs) run.manifest = { ...run.manifest, host: name }
  return results
}

const side = (results: StudyResults) => ({ results, analysis: analyse(results) })

t.test(
  'the same cases on two hosts: how many times, and whether they conclude the same',
  async (t) => {
    const desk = side(host('desk', { ide: 20, virtio: 10, sata: 30, emulated: 5 }, 1))
    const server = side(host('server', { ide: 10, virtio: 5, sata: 5, emulated: 5, extra: 1 }, 2))
    const { measures, alone, apart } = beside(desk, server)
    const [load] = measures
    t.match(load!.cases, [
      { case: 'ide', blocks: [8, 8], differs: true },
      { case: 'virtio', differs: true },
      { case: 'sata', differs: true },
    ])
    const [ide] = load!.cases
    t.equal(ide!.ratio, ide!.medians[1]! / ide!.medians[0]!, 'half as fast')
    t.ok(ide!.interval!.low < 0.5 && 0.5 < ide!.interval!.high)
    t.strictSame(
      load!.agreements.map(({ first, agreement }) => [first.case, agreement]),
      [
        ['virtio', 'agree'],
        ['sata', 'disagree'],
        ['emulated', 'open'],
      ].filter(([name]) => name !== 'emulated'),
      'twice as fast on both; slower on one and faster on the other',
    )
    t.strictSame(alone, ['emulated', 'extra'], 'another accelerator is another case')
    t.strictSame(apart, [['host', 'desk', 'server']])
  },
)

t.test('with few blocks there is a ratio, and no more', async (t) => {
  const few = side(host('desk', { ide: 20, virtio: 10 }, 1, 4))
  const [load] = beside(few, side(host('server', { ide: 10, virtio: 5 }, 2))).measures
  t.match(load!.cases[0], { differs: false, interval: undefined, blocks: [4, 8] })
  t.match(load!.agreements, [{ agreement: 'open' }])
})

t.test('a host is the same as itself', async (t) => {
  const results = host('desk', { ide: 20, virtio: 10 }, 1)
  const { measures, apart, alone } = beside(side(results), side(results))
  t.strictSame([apart, alone], [[], []])
  t.ok(measures.every(({ cases }) => cases.every(({ ratio, differs }) => ratio === 1 && !differs)))
})
