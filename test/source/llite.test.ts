import { readFile } from 'node:fs/promises'
import t from 'tap'
import { parseLlite, readLlite } from '../../src/source/llite.ts'
import { fixture } from './fixtures.ts'

const text = (version: string) => readFile(fixture(`constructed-lustre/${version}`), 'utf8')
const CALLS = { readsCompleted: 26, readBytes: 19_422, writesCompleted: 2, writtenBytes: 5_242_880 }
const TIMES = { readSeconds: 0.0125, writeSeconds: 0.025, flushSeconds: 0.0025 }

t.test('calls, and in newer ones their times', async (t) => {
  t.strictSame(parseLlite(await text('2.10')), { ...CALLS, flushes: 3 })
  t.same(parseLlite(await text('2.15')), { ...CALLS, ...TIMES, flushes: 3 })
  t.strictSame(parseLlite(''), {})
})

t.test('where it stands', async (t) => {
  const [old, now] = [await text('2.10'), await text('2.15')]
  const root = t.testdir({
    proc: { fs: { lustre: { llite: { 'scratch-ffff8804abcd': { stats: old } } } } },
    sys: {
      kernel: {
        debug: {
          lustre: {
            llite: {
              'images-ffff8804abcd': { stats: now },
              'images-old-ffff8804abcd': { stats: old },
              'twice-1': { stats: now },
              'twice-2': { stats: now },
            },
          },
        },
      },
    },
  })
  const roots = { procRoot: `${root}/proc`, sysRoot: `${root}/sys` }
  t.match(await readLlite('mgs@tcp:/images', roots), TIMES)
  t.notMatch(await readLlite('mgs@tcp:/images-old', roots), TIMES)
  t.match(await readLlite('10.0.0.1@o2ib:10.0.0.2@o2ib:/scratch/folder', roots), CALLS)
  for (const source of ['mgs@tcp:/twice', 'mgs@tcp:/nothing', 'none', ''])
    t.equal(await readLlite(source, roots), undefined, source)
})

t.test('what is no stats file', async (t) => {
  const rows: [text: string, message: string][] = [
    [
      'read_bytes 26',
      'llite/stats:1: expected read_bytes, a count, "samples" and a unit, got "read_bytes 26"',
    ],
    [
      'read_bytes x samples [bytes]',
      'llite/stats:1: read_bytes samples: expected a whole number, got "x"',
    ],
    [
      '\nread 1 samples [usec] 1 1 -1',
      'llite/stats:2: read sum: expected a whole number, got "-1"',
    ],
  ]
  for (const [text, message] of rows) t.throws(() => parseLlite(text), { message })
})
