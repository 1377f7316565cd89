import fc from 'fast-check'
import t from 'tap'
import { choice, shown, suggestion } from '../../src/config/problems.ts'

t.test('what was probably meant', async (t) => {
  const known = ['tier', 'bus', 'format', 'size', 'cache', 'aio']
  const table: [written: string, meant: string][] = [
    ['cahce', '; did you mean cache?'],
    ['cach', '; did you mean cache?'],
    ['caches', '; did you mean cache?'],
    ['bux', '; did you mean bus?'],
    ['fromat', '; did you mean format?'],
    ['tiers', '; did you mean tier?'],
    ['elephant', ''],
    ['', ''],
    ['c', ''],
    ['x'.repeat(100_000), ''],
  ]
  for (const [written, meant] of table)
    t.equal(suggestion(written, known), meant, written.slice(0, 9))
  t.equal(suggestion('cache', []), '')
  t.equal(
    suggestion('bootwritshutdown', ['boot-write-shutdown']),
    '; did you mean boot-write-shutdown?',
  )
  fc.assert(
    fc.property(fc.constantFrom(...known), fc.nat(), (name, at) => {
      const place = at % (name.length - 1)
      const swapped = [...name]
      swapped.splice(place, 2, name[place + 1]!, name[place]!)
      return suggestion(swapped.join(''), known) === `; did you mean ${name}?`
    }),
  )
})

t.test('what was found, on one line', async (t) => {
  const table: [value: unknown, text: string][] = [
    [undefined, 'nothing'],
    [null, 'nothing'],
    ['a\nb', '"a\\nb"'],
    [5, '5'],
    [true, 'true'],
    [[], 'an empty list'],
    [[1], 'a list'],
    [{}, 'an empty mapping'],
    [{ a: 1, b: 2 }, 'a mapping with a, b'],
    ['x'.repeat(100), `"${'x'.repeat(80)}…"`],
  ]
  for (const [value, text] of table) t.equal(shown(value), text)
  fc.assert(fc.property(fc.anything(), (value) => !shown(value).includes('\n')))
})

t.test('one of several', async (t) => {
  t.equal(choice([]), '')
  t.equal(choice(['a']), 'a')
  t.equal(choice(['a', 'b']), 'a or b')
  t.equal(choice(['a', 'b', 'c']), 'a, b or c')
})
