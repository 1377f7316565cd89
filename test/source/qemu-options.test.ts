import { deepEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import {
  bytesOf,
  isOn,
  parseJsonObject,
  parseOption,
  textOf,
} from '../../src/source/qemu-options.ts'

const MIB = 2 ** 20

t.test('keys and values', async (t) => {
  for (const [text, expected] of [
    ['', {}],
    ['vm1', { guest: 'vm1' }],
    ['vm1,debug-threads=on', { guest: 'vm1', 'debug-threads': 'on' }],
    ['guest=a,,b,debug-threads=on', { guest: 'a,b', 'debug-threads': 'on' }],
    ['a,b', { guest: 'a', b: 'on' }],
    ['a=,b==c', { a: '', b: '=c' }],
    ['guest=a,,,,b', { guest: 'a,,b' }],
    ['x=1,x=2', { x: '2' }],
    ['file.driver=file,file.filename=/a', { file: { driver: 'file', filename: '/a' } }],
    ['file=x,file.filename=/a', { file: { filename: '/a' } }],
    ['{"a":{"b":[1,true,null]}}', { a: { b: [1, true, null] } }],
    ['__proto__.polluted=yes', { ['__proto__']: { polluted: 'yes' } }],
  ] as const) {
    t.strictSame(JSON.parse(JSON.stringify(parseOption(text, 'guest'))), expected, text)
  }
  t.equal(parseOption('{"a":', 'guest'), undefined, 'half of a JSON text')
  t.equal(({} as { polluted?: string }).polluted, undefined)
  for (const text of ['[1]', '1', 'null', '"a"', 'a'])
    t.equal(parseJsonObject(text), undefined, text)
})

t.test('texts, truths and sizes', async (t) => {
  t.strictSame([true, false, 1, 'a', null, {}, undefined].map(textOf), [
    ...['on', 'off', '1', 'a', undefined, undefined, undefined],
  ])
  t.strictSame([true, 'on', 'yes', 'y', 'true', false, 'off', 'no', 'auto', undefined].map(isOn), [
    true,
    true,
    true,
    true,
    true,
    false,
    false,
    false,
    undefined,
    undefined,
  ])
  for (const [text, bytes] of [
    ['512', 512 * MIB],
    [512, 512 * MIB],
    ['65536k', 64 * MIB],
    ['4G', 4096 * MIB],
    ['1.5G', 1536 * MIB],
    ['1b', 1],
    ['-1', undefined],
    ['4X', undefined],
    ['9999999999G', undefined],
  ] as const) {
    t.equal(bytesOf(text, MIB), bytes, String(text))
  }
})

t.test('print, then parse, is the identity', async () => {
  const key = fc.stringMatching(/^[a-z][a-z-]{0,9}$/)
  const options = fc.dictionary(key, fc.string({ maxLength: 20 }), { minKeys: 1 })
  fc.assert(
    fc.property(options, (options) => {
      const printed = Object.entries(options)
        .map(([key, value]) => `${key}=${value.replaceAll(',', ',,')}`)
        .join(',')
      deepEqual({ ...parseOption(printed, 'none') }, { ...options })
    }),
  )
})
