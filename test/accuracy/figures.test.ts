import t from 'tap'
import { Figures, failures, figuresMarkdown } from './figures.ts'

t.test('figures: the largest error against its bound', async (t) => {
  const figures = new Figures()
  figures.begin('part')
  figures.exact('same', [
    { of: 'reads', expected: 10, found: 10 },
    { of: 'read bytes', expected: 4096, found: 4096 },
  ])
  figures.exact('one too many', [{ of: 'vm writes', expected: 10, found: 11 }])
  figures.relative('near', [{ of: 'depth 1', expected: 100, found: 101 }], 0.02, 'a reason')
  figures.relative('far', [{ of: 'depth 1', expected: 100, found: 103 }], 0.02, 'a reason')
  figures.absolute('rounding', [{ of: 'r/s', expected: 1.005, found: 1 }], 0.005, 'two digits')
  figures.exact('nothing', [])
  figures.relative('no value', [{ of: 'x', expected: 1, found: Number.NaN }], 1, 'a reason')
  t.strictSame(
    figures.all.map(({ holds }) => holds),
    [true, false, true, false, true, false, false],
  )
  t.strictSame(failures(figures.all), [
    'part: one too many:',
    '  vm writes: expected 10, found 11',
    'part: far:',
    '  depth 1: expected 100, found 103',
    'part: nothing:',
    '  nothing was compared',
    'part: no value:',
    '  x: expected 1, found NaN',
  ])
  figures.account('how', ['a', 'b'], [['1', '2']])
  t.match(figuresMarkdown(figures), 'part: how:\n\n| a | b |\n| --- | --- |\n| 1 | 2 |')
  t.match(
    figuresMarkdown(figures),
    '| part | same | 2 | 10; 4,096 bytes | 0 | 0 | exact |\n' +
      '| part | one too many | 1 | 10 | 1 | 0 | exact |\n' +
      '| part | near | 1 |  | 1.0 % | 2.0 % | a reason |',
  )
})
