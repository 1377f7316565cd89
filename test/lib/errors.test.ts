import t from 'tap'
import {
  ConfigError,
  codeOf,
  DeadlineError,
  KvmioError,
  messageOf,
  ParseError,
  UnavailableError,
} from '../../src/lib/errors.ts'

t.test('a parse error says where', async (t) => {
  const error = new ParseError('/proc/diskstats', 3, 'expected 14, found 2')
  t.equal(error.message, '/proc/diskstats:3: expected 14, found 2')
  t.equal(String(error), 'ParseError: /proc/diskstats:3: expected 14, found 2')
})

t.test('a config error has every mistake, one a line', async (t) => {
  const error = new ConfigError(['a:1:1: b', 'a:2:1: c'])
  t.equal(error.message, 'a:1:1: b\na:2:1: c')
  t.strictSame(error.problems, ['a:1:1: b', 'a:2:1: c'])
})

t.test('all of them are for the user, and keep their cause', async (t) => {
  const cause = new Error('cause')
  for (const Made of [KvmioError, DeadlineError, UnavailableError]) {
    const error = new Made('a sentence', { cause })
    t.ok(error instanceof KvmioError)
    t.equal(error.name, Made.name)
    t.equal(error.cause, cause)
  }
})

t.test('the message of anything', async (t) => {
  t.equal(messageOf(new Error('x')), 'x')
  t.equal(messageOf('x'), 'x')
  t.equal(messageOf(undefined), 'undefined')
})

t.test('the code of a system error', async (t) => {
  t.equal(codeOf(Object.assign(new Error(''), { code: 'ENOENT' })), 'ENOENT')
  for (const other of [new Error(''), undefined, null, 'ENOENT', { code: 5 }]) {
    t.equal(codeOf(other), undefined)
  }
})
