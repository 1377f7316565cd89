import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Journal } from '../../src/journal/journal.ts'
import { lastRuns } from '../../src/journal/last-runs.ts'
import { recordEnd, recordStart } from '../../src/journal/runs.ts'
import { openBlock, recordStudy } from '../../src/journal/studies.ts'
import { vmPhases } from '../../src/journal/vms.ts'

t.test('the last runs, with the slowest vm of each phase', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-journal-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const clock = { now: 1000 }
  const journal = new Journal(join(directory, 'journal.sqlite'), () => clock.now)
  t.teardown(() => journal.close())
  t.strictSame(lastRuns(journal, { limit: 5 }), [])
  const begin = (name: string, caseName: string) => {
    const study = recordStudy(journal, { name, hash: name, config: {}, seed: 1 })
    const vms = ['a', 'b'].map((vm) => ({ name: vm, plan: {} }))
    const blockId = openBlock(journal, study.id).id
    return recordStart(journal, { blockId, caseName, factors: {}, manifest: {}, vms })
  }
  const first = begin('demo', 'ide')
  first.vmIds.forEach((vm, index) => {
    vmPhases(journal, vm, 9, [
      { seq: 1, phase: 'boot', uptime: 0 },
      { seq: 2, phase: 'write', uptime: 3 - index },
      { seq: 3, phase: 'off', uptime: 10 + index },
    ])
  })
  clock.now = 1020
  recordEnd(journal, first.id, { outcome: 'passed' })
  const second = begin('buses', 'sata')
  clock.now = 1030
  recordEnd(journal, second.id, { outcome: 'failed', reason: 'no answer' })
  begin('demo', 'sata')
  const demo = {
    ...{ id: first.id, study: 'demo', case: 'ide', block: 1, outcome: 'passed', vms: 2 },
    ...{ startedAt: 1000, endedAt: 1020, phases: { boot: 3, write: 9 } },
  }
  t.strictSame(lastRuns(journal, { limit: 5 }), [
    {
      ...{ id: second.id, study: 'buses', case: 'sata', block: 1, outcome: 'failed', vms: 2 },
      ...{ reason: 'no answer', startedAt: 1020, endedAt: 1030, phases: {} },
    },
    demo,
  ])
  t.strictSame(lastRuns(journal, { limit: 5, study: 'demo' }), [demo], 'none that still runs')
  t.equal(lastRuns(journal, { limit: 1 }).length, 1)
})
