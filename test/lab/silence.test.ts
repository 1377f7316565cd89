import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { silence } from './silence.ts'

const LIMIT_MS = 1_000
const never = new AbortController().signal

t.test('a file that grows is not silent, and then it is', async (t) => {
  const file = join(t.testdir({ told: '' }), 'told')
  let silent = false
  const ended = silence(file, LIMIT_MS, never).then(() => {
    silent = true
  })
  for (const word of ['one', 'two', 'three', 'four']) {
    await sleep(LIMIT_MS / 2)
    await appendFile(file, word)
    t.notOk(silent, word)
  }
  await ended
})

t.test('so is one that never comes', () => silence('/nowhere', LIMIT_MS, never))

t.test('told to look no longer', async (t) => {
  const controller = new AbortController()
  const ended = silence('/nowhere', 3_600_000, controller.signal)
  controller.abort()
  await ended
  t.ok(controller.signal.aborted)
})
