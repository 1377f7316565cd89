import t from 'tap'
import { parseProportionalMemory, readProportionalMemory } from '../../src/source/smaps.ts'
import { fixture } from './fixtures.ts'

t.test('reads a recorded qemu', async (t) => {
  t.strictSame(await readProportionalMemory(fixture('pvm-debian12/proc'), 4711), {
    totalBytes: 300_206 * 1024,
    anonymousBytes: 222_272 * 1024,
  })
})

t.test('reads itself', async (t) => {
  const { totalBytes, anonymousBytes = 0 } = await readProportionalMemory('/proc', process.pid)
  t.ok(totalBytes > 10 * 2 ** 20 && totalBytes < 4 * 2 ** 30, `${totalBytes} bytes`)
  t.ok(anonymousBytes > 0 && anonymousBytes <= totalBytes, `${anonymousBytes} bytes`)
})

t.test('a kernel before 5.13 tells no parts', async (t) => {
  t.strictSame(parseProportionalMemory('... [rollup]\nRss: 9 kB\nPss: 7 kB\n'), {
    totalBytes: 7168,
  })
})

t.test('what is not one', async (t) => {
  for (const [text, message] of [
    ['', '/proc/PID/smaps_rollup:1: expected a line "Pss: ...", found none'],
    ['a\nPss: many kB', '/proc/PID/smaps_rollup:2: Pss: expected a whole number, got "many"'],
    [
      'Pss: 1 kB\nPss_Anon: -1 kB',
      '/proc/PID/smaps_rollup:2: Pss_Anon: expected a whole number, got "-1"',
    ],
  ] as const) {
    t.throws(() => parseProportionalMemory(text), { name: 'ParseError', message })
  }
})
