import t from 'tap'
import { planText, type StudyPlan, sumText } from '../../src/cli/plan-text.ts'
import { expectedTimes } from '../../src/study/expected-time.ts'
import { planCases } from '../../src/study/plan.ts'
import { guest, study } from '../study/configs.ts'

const IMAGE = {
  qcow2: { 'drives.root.format': 'qcow2' },
  'qcow2-metadata': { 'drives.root.format': 'qcow2', 'drives.root.preallocation': 'metadata' },
  raw: { 'drives.root.format': 'raw' },
}

function planOf(
  more: Parameters<typeof study>[0],
  past: { case: string; seconds: number }[],
  skips: Record<string, string> = {},
): StudyPlan {
  const given = study(more)
  const cases = planCases(given, guest()).map((point) => ({ ...point, skip: skips[point.name] }))
  return { name: 'demo', study: given, cases, times: expectedTimes(cases, past, {}), space: [] }
}

t.test('cases, what is skipped and why, blocks, time and space', async (t) => {
  const plan = planOf(
    {
      factors: { 'drives.root.bus': ['virtio-blk', 'pvscsi'], image: IMAGE },
      exclude: [{ 'drives.root.bus': 'pvscsi', image: 'raw' }],
      include: [{ name: 'lvm', 'drives.root.tier': 'lvm', vms: 2 }],
      reference: { case: 'virtio-blk-raw', drift: 0.05, repeats: 2 },
      blocks: { min: 6, max: 30, width: 0.025 },
      scale: 'a tenth of what it was',
    },
    [
      { case: 'virtio-blk-raw', seconds: 60 },
      { case: 'virtio-blk-qcow2', seconds: 120 },
    ],
    { 'pvscsi-qcow2': 'no pvscsi', 'pvscsi-qcow2-metadata': 'no pvscsi', lvm: 'no LVM' },
  )
  const space = [
    { tier: 'local', neededBytes: 2 ** 30, availableBytes: 2 ** 32 },
    { tier: 'net', neededBytes: 2 ** 30 },
  ]
  t.equal(
    planText({ ...plan, space }),
    `study demo: 6 cases of guest student, 1 to 2 vms at once, boot-write-shutdown
scale: a tenth of what it was
case: drives.root.bus, image  a run
virtio-blk-qcow2              2 min
virtio-blk-qcow2-metadata     1 min 30 s
virtio-blk-raw                1 min       reference
pvscsi-qcow2                  skipped
pvscsi-qcow2-metadata         skipped
lvm                           skipped     drives.root.tier lvm, vms 2
skipped pvscsi-qcow2, pvscsi-qcow2-metadata: no pvscsi
skipped lvm: no LVM
blocks: 6 to 30, until every median is known to ± 2.5 %; by write; virtio-blk-raw at start, middle and end
time: 7 min 20 s a block, 44 min to 3 h 40 min in all, from past runs of 2 cases, the others as their mean
space at the most: 1 GiB on local (of 4 GiB), 1 GiB on net

`,
  )
})

t.test('a study without factors that has never run', async (t) => {
  t.equal(
    planText(planOf({}, [])),
    `study demo: 1 case of guest student, 1 vm at once, boot-write-shutdown
case  a run
only   24 s
blocks: 6; by write
time: 34 s a block, 3 min 20 s in all, by rule, since none has run here
space at the most: none

`,
  )
})

t.test('an endless one, and one of which nothing can run', async (t) => {
  t.match(
    planText(planOf({ schedule: 'continuous' }, [{ case: 'only', seconds: 20 }])),
    /^blocks: without end; by write\ntime: 30 s a block, from past runs of 1 case$/m,
  )
  const nothing = planText(planOf({}, [], { only: 'no' }))
  t.match(nothing, /^only {2}skipped\nskipped only: no\nblocks: 6; by write\nspace/m)
})

t.test('no line is longer than a terminal is wide, but for a reason', async (t) => {
  const memory = Array.from({ length: 24 }, (_, index) => `${200 + index}MiB`)
  const skips = Object.fromEntries(memory.map((size) => [size.toLowerCase(), 'no memory']))
  const space = memory.map((size) => ({ tier: `tier-of-${size}`, neededBytes: 1 }))
  const text = planText({ ...planOf({ factors: { memory } }, [], skips), space })
  const lines = text.split('\n')
  t.ok(Math.max(...lines.map(({ length }) => length)) <= 120)
  t.match(text, /^skipped 200mib, 201mib,.*,\n {2}\d+mib.*: no memory$/m)
  t.match(text, /^space at the most: 1 B on tier-of-200MiB, .*,\n {2}1 B on/m)
})

t.test('what several come to', async (t) => {
  const plans = [
    planOf({ blocks: { min: 6, max: 6 } }, [{ case: 'only', seconds: 50 }]),
    planOf({ blocks: { min: 6, max: 12, width: 0.05 } }, [{ case: 'only', seconds: 50 }]),
    planOf({}, [], { only: 'no' }),
  ]
  t.equal(sumText(plans), 'in all 3 studies, 2 cases that can run here, 12 min to 18 min\n')
  t.equal(sumText(plans.slice(0, 1)), 'in all 1 study, 1 case that can run here, 6 min\n')
})
