// npm run bench [-- PART...]: kvmio beside what else one could use, in the same run on the same machine, so that only
// the ratios count. It starts and ends all that it needs itself; nothing is installed and nothing stays.
import { cpus } from 'node:os'
import { messageOf } from '../src/lib/errors.ts'
import { libvirt } from './libvirt/part.ts'
import type { Part, Target } from './part.ts'
import { targetTable } from './part.ts'
import { render } from './render.ts'
import { scrape } from './scrape.ts'
import { slowdown } from './slowdown.ts'
import { working } from './working.ts'

const PARTS: readonly Part[] = [render, scrape, libvirt, working, slowdown]

const names = process.argv.slice(2)
const unknown = names.filter((name) => !PARTS.some((part) => part.name === name))
if (unknown.length > 0) {
  console.error(
    `no part ${unknown.join(', ')}; there are ${PARTS.map(({ name }) => name).join(', ')}`,
  )
  process.exit(2)
}
const chosen = PARTS.filter(({ name }) => names.length === 0 || names.includes(name))

const interrupted = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => interrupted.abort(new Error(`ended by ${signal}`)))
}

const started = performance.now()
const [first] = cpus()
const minutes = Math.ceil(chosen.reduce((sum, part) => sum + part.minutes, 0))
console.log(`Node ${process.version}, ${cpus().length} × ${first?.model}`)
console.log(
  `${chosen.map(({ name }) => name).join(', ')}: about ${minutes} minutes on a machine of two cores that is otherwise idle`,
)

const targets: Target[] = []
for (const part of chosen) {
  if (interrupted.signal.aborted) break
  const begun = performance.now()
  try {
    const result = await part.run(interrupted.signal)
    targets.push(...result.targets)
    console.log(`\n== ${part.name} (${seconds(begun)} s)\n\n${result.report.join('\n\n')}`)
  } catch (error) {
    console.log(`\n== ${part.name}: not measured: ${messageOf(error)}`)
    process.exitCode = 1
  }
}
console.log('\nMedians over repetitions; a ratio below 1 means that kvmio takes less.')
if (targets.length > 0) console.log(`\n${targetTable(targets)}`)
console.log(`\nIt took ${seconds(started)} s.`)

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(0)
}
