import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { lockState } from '../../src/journal/lock.ts'

async function stateDir(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-lock-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

function inUse(directory: string) {
  const message = `${directory} is in use by another kvmio; end it, or name another "state" in the config`
  return { name: 'KvmioError', message }
}

t.test('one owner at a time', async (t) => {
  const directory = await stateDir(t)
  {
    using _ = lockState(directory)
    t.throws(() => lockState(directory), inUse(directory))
    t.throws(() => lockState(directory), inUse(directory), 'asking does not let it go')
  }
  using _ = lockState(directory)
  using __ = lockState(await stateDir(t))
})

t.test('free again when its owner was killed', async (t) => {
  const directory = await stateDir(t)
  const child = spawn(process.execPath, [join(import.meta.dirname, 'hold-lock.ts'), directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  t.throws(() => lockState(directory), inUse(directory))
  child.kill('SIGKILL')
  await once(child, 'exit')
  using _ = lockState(directory)
})

t.test('a folder that is not there', async (t) => {
  const directory = join(await stateDir(t), 'gone')
  t.throws(() => lockState(directory), {
    name: 'KvmioError',
    message: `${directory}/lock: cannot be locked: unable to open database file`,
  })
})
