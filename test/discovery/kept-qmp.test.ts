import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { KeptQmp } from '../../src/discovery/kept-qmp.ts'

/** Short enough for a socket, which has room for 107 characters. */
async function socketPath(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kvmio-qmp-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return join(folder, 'q.sock')
}

/** A socket that answers as qemu would, or that accepts and says nothing. */
async function listen(t: Test, path: string, { greets }: { greets: boolean }) {
  const sockets = new Set<Socket>()
  const received: string[] = []
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    if (greets) socket.write('{"QMP": {}}\n')
    socket.on('data', (data) => {
      const { execute, id } = JSON.parse(String(data))
      received.push(execute)
      socket.write(`${JSON.stringify({ return: {}, id })}\n`)
    })
  })
  const close = async () => {
    for (const socket of sockets) socket.destroy()
    if (server.listening) await new Promise((done) => server.close(done))
  }
  t.teardown(close)
  server.listen(path)
  await once(server, 'listening')
  return { received, sockets, close }
}

async function until(look: () => boolean): Promise<void> {
  while (!look()) await new Promise((done) => setTimeout(done, 5))
}

t.test('kept open, and sought again at a slow pace', async (t) => {
  const path = await socketPath(t)
  const clock = { now: 0 }
  const lacks: string[] = []
  const kept = new KeptQmp({
    ...{ name: 'vm a', path, now: () => clock.now },
    onLack: (error) => lacks.push((error as Error).message),
  })
  t.teardown(() => kept.close())
  kept.keep()
  await until(() => lacks.length === 1)
  t.strictSame(lacks, [`vm a: QMP socket ${path}: ENOENT`])
  const first = await listen(t, path, { greets: true })
  kept.keep()
  await new Promise((done) => setTimeout(done, 50))
  t.strictSame(first.received, [], 'not yet')
  clock.now = 30_000
  kept.keep()
  await until(() => kept.open !== undefined)
  t.strictSame(first.received, ['qmp_capabilities'], 'and nothing else is sent')
  kept.keep()
  t.equal(first.sockets.size, 1)
  await first.close()
  await until(() => kept.open === undefined)
  const second = await listen(t, path, { greets: true })
  clock.now = 70_000
  kept.keep()
  await until(() => kept.open !== undefined)
  await kept.close()
  t.equal(kept.open, undefined)
  await until(() => second.sockets.size === 0)
  clock.now = 200_000
  kept.keep()
  t.equal(lacks.length, 1)
})

t.test('a socket that somebody else has is told of once', async (t) => {
  const path = await socketPath(t)
  await listen(t, path, { greets: false })
  const clock = { now: 0 }
  const lacks: string[] = []
  const kept = new KeptQmp({
    ...{ name: 'vm a', path, timeoutMs: 20, now: () => clock.now },
    onLack: (error) => lacks.push((error as Error).message),
  })
  for (clock.now = 0; clock.now < 100_000; clock.now += 30_000) {
    kept.keep()
    await new Promise((done) => setTimeout(done, 60))
    t.equal(kept.open, undefined)
  }
  t.strictSame(lacks, [`vm a: no QMP greeting on ${path} in 0.02 s; is another client connected?`])
  await kept.close()
})
