import { hash as hashOf } from 'bcryptjs'
import t from 'tap'
import { createBasicAuth } from '../../src/web/basic-auth.ts'
import { BusyError, PasswordCheck } from '../../src/web/password-check.ts'

const users = {
  alice: await hashOf('correct: horse', 5),
  'bob ünï': await hashOf('pässwörd', 4),
}

const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

/** The real check, which tells what it was asked for. */
function recorded() {
  const check = new PasswordCheck()
  const asked: [password: string, hash: string][] = []
  const isAllowed = createBasicAuth({
    compare: (password, hash) => {
      asked.push([password, hash])
      return check.compare(password, hash)
    },
  })
  return { isAllowed, asked }
}

t.test('who has the right password', async (t) => {
  const { isAllowed } = recorded()
  t.equal(await isAllowed(basic('alice', 'correct: horse'), users), true)
  t.equal(await isAllowed(basic('bob ünï', 'pässwörd'), users), true)
  t.equal(await isAllowed(basic('alice', 'correct: horse').replace('B', 'b'), users), true)
})

t.test('who has not', async (t) => {
  const { isAllowed, asked } = recorded()
  const wrong: [user: string, password: string][] = [
    ['alice', 'wrong'],
    ['alice', ''],
    ['alice', users.alice],
    ['bob ünï', 'correct: horse'],
    ['carol', 'correct: horse'],
    ['constructor', 'a'],
    ['__proto__', 'a'],
    ['', ''],
  ]
  for (const [user, password] of wrong) {
    t.equal(await isAllowed(basic(user, password), users), false, JSON.stringify(user))
  }
  t.equal(asked.length, wrong.length)
})

t.test('who shows nothing that could be a password is told so at once', async (t) => {
  const { isAllowed, asked } = recorded()
  const encoded = basic('alice', 'correct: horse').slice('Basic '.length)
  const headers = [
    undefined,
    '',
    'Basic',
    `Bearer ${encoded}`,
    `Basic ${encoded} more`,
    'Basic =',
    `Basic ${Buffer.from('alice').toString('base64')}`,
  ]
  for (const header of headers) t.equal(isAllowed(header, users), false, String(header))
  t.strictSame(asked, [])
})

t.test('a pair that was right once is not looked at again, one that was wrong is', async (t) => {
  const { isAllowed, asked } = recorded()
  const [right, wrong] = [basic('alice', 'correct: horse'), basic('alice', 'wrong')]
  const both = [isAllowed(right, users), isAllowed(right, users)]
  t.strictSame(await Promise.all(both), [true, true])
  t.equal(asked.length, 1, 'two at once are one')
  t.equal(isAllowed(right, users), true, 'without a promise')
  await isAllowed(wrong, users)
  await isAllowed(wrong, users)
  t.equal(asked.length, 3)
  t.equal(isAllowed(right, users), true, 'which changes nothing for who is right')

  const changed = { ...users, alice: await hashOf('another', 4) }
  t.equal(await isAllowed(right, changed), false, 'the password was changed')
  t.equal(await isAllowed(basic('alice', 'another'), changed), true)
  const { alice: _, ...others } = users
  t.equal(await isAllowed(right, others), false, 'the user is gone')
})

t.test('an unknown user costs what a known one does', async (t) => {
  const { isAllowed, asked } = recorded()
  const names = Array.from({ length: 40 }, (_, index) => `user-${index}`)
  for (const name of names) t.equal(await isAllowed(basic(name, 'correct: horse'), users), false)
  const costs = asked.map(([, hash]) => hash.slice(0, 7))
  t.strictSame(new Set(costs), new Set(['$2b$04$', '$2b$05$']), 'now that of one, now of another')
  for (const name of names) await isAllowed(basic(name, 'other'), users)
  t.strictSame(
    asked.slice(names.length).map(([, hash]) => hash.slice(0, 7)),
    costs,
    'and always the same for a name',
  )
})

t.test('whoever tries many passwords at once has to wait', async (t) => {
  const isAllowed = createBasicAuth(new PasswordCheck())
  const tries = Array.from({ length: 25 }, (_, index) =>
    isAllowed(basic('alice', `${index}`), users),
  )
  const results = await Promise.allSettled(tries)
  const refused = results.filter(({ status }) => status === 'rejected')
  t.equal(refused.length, 5)
  for (const result of refused) t.match(result, { reason: BusyError })
  t.equal(await isAllowed(basic('alice', 'correct: horse'), users), true, 'and then again')
})

t.test('the event loop goes on meanwhile', async (t) => {
  const hash = await hashOf('x', 11)
  const check = new PasswordCheck()
  await check.compare('a', users.alice) // its thread has been started
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  t.equal(await check.compare('y', hash), false)
  clearInterval(timer)
  // bcryptjs' own way to be asynchronous gives up to 100 ms of arithmetic a turn, and this takes about 200.
  t.ok(turns > 10, `${turns} turns`)
})

t.test('a thread that dies says so, and there is another one', async (t) => {
  const check = new PasswordCheck()
  await t.rejects(check.compare('a', 5 as unknown as string))
  t.equal(await check.compare('correct: horse', users.alice), true)
})
