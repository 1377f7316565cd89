// npm run bench: kvmio beside what else one could use, in the same run on the same machine, so that only the ratios count.
// It takes some twenty seconds and starts and ends both exporters itself; kvmio needs root, as ever, and no study.
import { cpus } from 'node:os'
import { messageOf } from '../src/lib/errors.ts'
import { comparisonTable } from './comparison.ts'
import { compareRendering } from './render.ts'
import { compareScrapes } from './scrape.ts'

const started = performance.now()
const comparisons = [await compareRendering(500), await compareRendering(5_000)]
const notes: string[] = []
try {
  const scrapes = await compareScrapes()
  comparisons.push(scrapes)
  notes.push(`Of the scrape: ${scrapes.note}.`)
} catch (error) {
  notes.push(`The scrape was not compared: ${messageOf(error)}`)
  process.exitCode = 1
}

const processors = cpus()
console.log(`Node ${process.version}, ${processors.length} × ${processors[0]?.model}`)
console.log(`\n${comparisonTable(comparisons)}\n`)
console.log('Medians over repetitions; a ratio below 1 means that kvmio took less time.')
for (const note of notes) console.log(note)
console.log(`It took ${((performance.now() - started) / 1000).toFixed(0)} s.`)
