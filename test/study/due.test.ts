import t from 'tap'
import type { Outcome } from '../../src/journal/runs.ts'
import { dueOf } from '../../src/study/due.ts'

const ORDER = ['ref', 'a', 'ref', 'b', 'ref'].map((name) => ({ name }))

/** `a+ b- c? d~`: passed, failed, void, abandoned. */
function due(ended: string, tries = 3): string {
  const outcomes: Record<string, Outcome> = {
    '+': 'passed',
    '-': 'failed',
    '?': 'void',
    '~': 'abandoned',
  }
  const runs = ended
    .split(' ')
    .filter(Boolean)
    .map((run) => ({ caseName: run.slice(0, -1), outcome: outcomes[run.at(-1)!]! }))
  return dueOf(ORDER, runs, tries)
    .map(({ name }) => name)
    .join(' ')
}

t.test('what is due of a block', async (t) => {
  t.equal(due(''), 'ref a ref b ref')
  t.equal(due('ref+'), 'a ref b ref', 'once each time')
  t.equal(due('ref+ a+ ref+ b+'), 'ref')
  t.equal(due('ref+ a- ref+ b+ ref+'), '', 'one that failed is done')
  t.equal(due('ref+ a~ a~ a~ a~'), 'a ref b ref', 'an abandoned one never is')
  t.equal(due('ref+ a? a?'), 'a ref b ref')
  t.equal(due('ref+ a? a? a?'), 'ref b ref', 'void too often')
  t.equal(due('ref+ a?', 1), 'ref b ref')
  t.equal(due('ref? ref? ref+ a+ ref?'), 'ref b ref', 'counted anew after one that is none')
  t.equal(due('ref? ref? ref? a+ ref? ref? ref+'), 'b ref')
  t.equal(due('ref? ref~ ref? ref?'), 'a ref b ref', 'in a row, whatever was abandoned between')
  t.equal(due('other+ ref+'), 'a ref b ref', 'a case that is no longer in it')
})
