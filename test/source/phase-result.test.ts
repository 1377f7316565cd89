import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import type { PhaseResult } from '../../src/source/phase-channel.ts'
import { ResultParts } from '../../src/source/phase-result.ts'

const CONTENT = JSON.stringify({ jobs: [randomBytes(3000).toString('hex')] })

function partsOf(content: string, name = 'fio', length = 900): PhaseResult[] {
  const text = gzipSync(content).toString('base64')
  const pieces = text.match(new RegExp(`.{1,${length}}`, 'g')) ?? []
  return pieces.map((text, index) => ({
    kind: 'result',
    seq: index + 1,
    uptime: 1,
    name,
    part: index + 1,
    of: pieces.length,
    text,
  }))
}

t.test('a result in parts, and another one after it', async (t) => {
  const results = new ResultParts()
  const parts = partsOf(CONTENT)
  t.ok(parts.length > 3)
  for (const part of parts.slice(0, -1)) {
    t.equal(results.take(part), undefined)
    t.ok(results.isOpen)
  }
  t.strictSame(results.take(parts.at(-1)!), { name: 'fio', content: CONTENT })
  t.notOk(results.isOpen)
  const [only] = partsOf('short', 'other')
  t.strictSame(results.take(only!), { name: 'other', content: 'short' })
})

t.test('one that begins again, as after a take-over', async (t) => {
  const results = new ResultParts()
  const parts = partsOf(CONTENT)
  results.take(parts[0]!)
  results.take(parts[1]!)
  const taken = parts.map((part) => results.take(part))
  t.strictSame(taken.at(-1), { name: 'fio', content: CONTENT })
})

t.test('what is not whole', async (t) => {
  const parts = partsOf(CONTENT)
  const lost = new ResultParts()
  lost.take(parts[0]!)
  t.throws(() => lost.take(parts[2]!), {
    message: `result fio: expected part 2, got part 3 of ${parts.length}`,
  })
  t.notOk(lost.isOpen)
  const other = new ResultParts()
  other.take(parts[0]!)
  t.throws(() => other.take({ ...parts[1]!, name: 'other' }), {
    message: `result other: expected part 2, got part 2 of ${parts.length}`,
  })
  t.throws(() => new ResultParts().take({ ...parts[0]!, of: 1 }), {
    message: /^result fio: expected gzip's bytes: unexpected end of file/,
  })
  const bomb = partsOf('0'.repeat(17 * 2 ** 20), 'fio', 2 ** 20)
  t.throws(() => new ResultParts().take(bomb[0]!), {
    message: /^result fio: expected gzip's bytes: Cannot create a Buffer larger than 16777216/,
  })
})
