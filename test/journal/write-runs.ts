// Runs cases that are not done yet, one after another without end, and prints the id of each run that has ended.
import { writeSync } from 'node:fs'
import { Journal } from '../../src/journal/journal.ts'
import { recordEnd, recordStart } from '../../src/journal/runs.ts'
import { blockRuns, openBlock, recordStudy } from '../../src/journal/studies.ts'
import { vmEnded, vmPhases, vmStarted } from '../../src/journal/vms.ts'

const journal = new Journal(process.argv[2]!)
const block = openBlock(
  journal,
  recordStudy(journal, { name: 'demo', hash: 'hash', config: {}, seed: 1 }).id,
)
const done = new Set(blockRuns(journal, block.id).map(({ caseName }) => caseName))
for (let next = 0; ; next++) {
  const caseName = `case-${next}`
  if (done.has(caseName)) continue
  const vms = [1, 2].map((slot) => ({ name: `demo-${caseName}-${slot}`, plan: { slot } }))
  const run = { blockId: block.id, caseName, factors: {}, manifest: {}, vms }
  const { id, vmIds } = recordStart(journal, run)
  for (const vm of vmIds) {
    vmStarted(journal, vm, 4711, 1)
    vmPhases(journal, vm, 40, [
      { seq: 1, phase: 'boot', uptime: 0 },
      { seq: 2, phase: 'off', uptime: 2 },
    ])
    vmEnded(journal, vm, 'passed', undefined, { drives: [] })
  }
  recordEnd(journal, id, { outcome: 'passed' })
  writeSync(1, `${id}\n`)
}
