import { readFileSync, writeFileSync } from 'node:fs'
import type { Test } from 'tap'

/** Compares text with test/golden/NAME. `npm run snap` rewrites the file; read the diff before you commit it. */
export function golden(t: Test, name: string, actual: string): void {
  const file = new URL(`golden/${name}`, import.meta.url)
  if (t.writeSnapshot) writeFileSync(file, actual)
  t.equal(actual, readFileSync(file, 'utf8'), `matches test/golden/${name}`)
}
