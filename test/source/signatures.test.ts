import fc from 'fast-check'
import t from 'tap'
import { KvmioError } from '../../src/lib/errors.ts'
import { parseSignatures } from '../../src/source/signatures.ts'

t.test('nothing, and what wipefs 2.38 prints of a reiserfs and of a GUID table', async (t) => {
  t.strictSame(parseSignatures(''), [])
  t.strictSame(parseSignatures('\n'), [])
  const of = (...signatures: unknown[]) => parseSignatures(JSON.stringify({ signatures }))
  const uuid = '12345678-1234-4234-8234-123456789abc'
  const place = { device: 'loop0', offset: '0x10034' }
  t.strictSame(
    of(
      { ...place, type: 'reiserfs', uuid, label: 'kvmio-x' },
      { ...place, type: 'gpt', uuid: null, label: null },
    ),
    [{ type: 'reiserfs', uuid, label: 'kvmio-x' }, { type: 'gpt' }],
  )
})

t.test('what is none of that', async (t) => {
  for (const [text, message] of [
    ['x', 'wipefs: expected JSON, got "x"'],
    ['[]', 'wipefs: expected signatures, got "[]"'],
    [
      '{"signatures":[{}]}',
      'wipefs: expected a type of each signature, got "{\\"signatures\\":[{}]}"',
    ],
  ] as const)
    t.throws(() => parseSignatures(text), { message })
  const value = fc
    .oneof(fc.anything(), fc.array(fc.anything()))
    .map((signatures) => ({ signatures }))
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    value.map((value) => JSON.stringify(value)),
  )
  fc.assert(
    fc.property(text, (text) => {
      try {
        parseSignatures(text)
      } catch (error) {
        if (!(error instanceof KvmioError)) throw error
      }
    }),
  )
})
