// A study of five cases that runs as fast as the journal takes it: goes on with what is there, block after block without
// end, and tells of each run that has ended with its id, its case and how it went.
import { writeSync } from 'node:fs'
import { Journal } from '../../src/journal/journal.ts'
import {
  type Outcome,
  recordBaseline,
  recordEnd,
  recordStart,
  unfinishedRuns,
} from '../../src/journal/runs.ts'
import { recordSamples } from '../../src/journal/samples.ts'
import { blockRuns, endBlock, openBlock, recordStudy } from '../../src/journal/studies.ts'
import { vmEnded, vmPhases, vmStarted } from '../../src/journal/vms.ts'
import { dueOf } from '../../src/study/due.ts'

const CASES = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name }))
const TRIES = 3

const journal = new Journal(process.argv[2]!)
const study = recordStudy(journal, { name: 'demo', hash: 'hash', config: {}, seed: 1 })
for (const { id } of unfinishedRuns(journal)) {
  recordEnd(journal, id, { outcome: 'abandoned', reason: 'killed' })
}
for (;;) {
  const block = openBlock(journal, study.id)
  for (;;) {
    const [next] = dueOf(CASES, blockRuns(journal, block.id), TRIES)
    if (!next) break
    const outcome: Outcome = Math.random() < 0.2 ? 'void' : 'passed'
    const id = runOnce(next.name, block.id, outcome)
    writeSync(1, `${id} ${next.name} ${outcome}\n`)
  }
  endBlock(journal, block.id)
}

function runOnce(caseName: string, blockId: number, outcome: Outcome): number {
  const vms = [1, 2].map((slot) => ({ name: `demo-${caseName}-${slot}`, plan: { slot } }))
  const run = { blockId, caseName, factors: {}, manifest: {}, vms }
  const { id, vmIds } = recordStart(journal, run)
  recordBaseline(journal, id, { quiet: {} })
  for (const vm of vmIds) {
    vmStarted(journal, vm, 4711, 1)
    vmPhases(journal, vm, 40, [
      { seq: 1, phase: 'boot', uptime: 0 },
      { seq: 2, phase: 'off', uptime: 2 },
    ])
    vmEnded(journal, vm, 'passed', undefined, { drives: [] })
  }
  const seconds = [1, 2, 3, 4]
  recordSamples(
    journal,
    id,
    seconds.map((at) => ({ kind: 'device', name: 'loop0', at, transactions: at })),
  )
  const counts = vmIds.map((vmId) => ({ layer: 'qemu', vmId, name: 'root', writes: 9 }) as const)
  const device = { layer: 'device', name: 'loop0', writes: 20 } as const
  recordEnd(journal, id, { outcome, findings: {}, counts: [...counts, device] })
  return id
}
