// Runs cases that are not done yet, one after another without end, and prints the id of each run that has ended.
import { writeSync } from 'node:fs'
import { Journal } from '../../src/journal/journal.ts'

const journal = new Journal(process.argv[2]!)
const block = journal.openBlock(journal.study('demo', 'hash', {}, 1).id)
const done = journal.casesDone(block.id)
for (let next = 0; ; next++) {
  const caseName = `case-${next}`
  if (done.has(caseName)) continue
  const vms = [1, 2].map((slot) => ({ name: `demo-${caseName}-${slot}`, plan: { slot } }))
  const run = { blockId: block.id, caseName, factors: {}, manifest: {}, vms }
  const { id, vmIds } = journal.startRun(run)
  for (const vm of vmIds) {
    journal.vmStarted(vm, 4711, 1)
    journal.vmPhases(vm, 40, [
      { seq: 1, phase: 'boot', uptime: 0 },
      { seq: 2, phase: 'off', uptime: 2 },
    ])
    journal.vmEnded(vm, 'passed', undefined, { drives: [] })
  }
  journal.endRun(id, 'passed')
  writeSync(1, `${id}\n`)
}
