import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startProcess } from '../../src/lib/process.ts'
import { parseBlockStats, pollBlockStats, readBlockStats } from '../../src/source/blockstats.ts'
import { Qmp } from '../../src/source/qmp.ts'

const GREETING = '{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": []}}\r\n'

async function folder(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-qmp-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** A server that misbehaves as no real qemu can be made to; everything else is tested with qemu itself. */
async function sick(t: Test, onConnect: (socket: Socket) => void): Promise<string> {
  const path = join(await folder(t), 'qmp.sock')
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onConnect(socket)
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return path
}

/** Greets, accepts the capabilities, and hands every later line over. */
function greeting(onLine: (socket: Socket, id: number) => void): (socket: Socket) => void {
  return (socket) => {
    socket.write(GREETING)
    socket.on('data', (data) => {
      for (const line of String(data).trim().split('\n')) {
        const { execute, id } = JSON.parse(line)
        if (execute === 'qmp_capabilities') socket.write(`{"return": {}, "id": ${id}}\r\n`)
        else onLine(socket, id)
      }
    })
  }
}

t.test('a real qemu: greeting, commands, errors, events, one client at a time', async (t) => {
  const path = join(await folder(t), 'qmp,sock')
  const qemu = startProcess({
    file: 'qemu-system-x86_64',
    args: [
      ...[
        '-nodefaults',
        '-no-user-config',
        '-display',
        'none',
        '-S',
        '-machine',
        'pc',
        '-accel',
        'tcg',
        '-m',
        '32',
      ],
      ...['-chardev', `socket,id=qmp,path=${path.replaceAll(',', ',,')},server=on,wait=off`],
      ...['-mon', 'chardev=qmp,mode=control'],
      ...['-blockdev', '{"driver":"null-co","node-name":"n0","size":1048576,"read-zeroes":true}'],
      ...['-device', '{"driver":"virtio-blk-pci","drive":"n0","id":"drive-root"}'],
    ],
  })
  t.teardown(() => qemu.stop())
  const qmp = await connectWhenUp(path)
  t.match(await qmp.command('query-status'), { status: 'prelaunch', running: false })
  await t.rejects(qmp.command('no-such-command'), {
    message: 'vm x: QMP no-such-command: The command no-such-command has not been found',
  })
  const [stats] = await readBlockStats(qmp)
  t.match(stats, { id: 'drive-root', qdev: '/machine/peripheral/drive-root/virtio-backend' })
  t.match(stats?.write, { operations: 0, bytes: 0, nanoseconds: 0, failed: 0, merged: 0 })

  const resumed = new Promise((resolve) => qmp.onEvent(({ event }) => resolve(event)))
  await qmp.command('cont')
  t.equal(await resumed, 'RESUME')

  await t.rejects(Qmp.connect({ name: 'vm x', path, timeoutMs: 200 }), {
    message: `vm x: no QMP greeting on ${path} in 0.2 s; is another client connected?`,
  })

  const lastAnswer = qmp.lastAnswerTime!
  t.ok(Math.abs(Date.now() / 1000 - lastAnswer) < 60, 'Unix time')
  process.kill(qemu.pid, 'SIGSTOP')
  await t.rejects(qmp.command('query-status', undefined, 200), {
    message: 'vm x: no answer to QMP query-status in 0.2 s',
  })
  await t.rejects(pollBlockStats(qmp, 200), {
    message: 'vm x: no answer to QMP query-blockstats in 0.2 s',
  })
  for (let scrape = 0; scrape < 1000; scrape++) {
    const late = await pollBlockStats(qmp, 200).catch((error: Error) => error.message)
    t.match(late, /^vm x: no answer to QMP query-blockstats in [\d.]+ s$/, { diagnostic: false })
  }
  t.equal(qmp.lastAnswerTime, lastAnswer, 'how old its figures are, is known')
  process.kill(qemu.pid, 'SIGCONT')
  t.match(
    await qmp.command('query-status'),
    { running: true },
    'answers again, late answers are dropped',
  )
  t.match(await pollBlockStats(qmp, 2_000), [{ id: 'drive-root' }], 'and is asked again')
  t.ok(qmp.lastAnswerTime! > lastAnswer)

  await qmp.command('quit')
  t.equal((await qmp.closed).message, 'vm x: the QMP socket was closed by qemu')
  await t.rejects(qmp.command('query-status'), {
    message: 'vm x: the QMP socket was closed by qemu',
  })
})

async function connectWhenUp(path: string): Promise<Qmp> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await Qmp.connect({ name: 'vm x', path })
    } catch (error) {
      if (attempt === 200) throw error
      await sleep(50)
    }
  }
}

t.test('nothing listens', async (t) => {
  const path = join(await folder(t), 'none.sock')
  await t.rejects(Qmp.connect({ name: 'vm x', path }), {
    message: `vm x: QMP socket ${path}: ENOENT`,
  })
})

t.test('an answer in single bytes, with an event in its middle, is one answer', async (t) => {
  const path = await sick(
    t,
    greeting(async (socket, id) => {
      for (const byte of `{"event": "STOP", "timestamp": {}}\r\n{"return": {"ü": 1}, "id": ${id}}\r\n`) {
        socket.write(byte)
        await sleep(1)
      }
    }),
  )
  const qmp = await Qmp.connect({ name: 'vm x', path })
  const events: string[] = []
  qmp.onEvent(({ event }) => events.push(event))
  t.strictSame(await qmp.command('query-status'), { ü: 1 })
  t.strictSame(events, ['STOP'])
  qmp.close()
})

t.test('answers out of order reach whom they belong to', async (t) => {
  const ids: number[] = []
  const path = await sick(
    t,
    greeting((socket, id) => {
      ids.push(id)
      if (ids.length < 2) return
      for (const id of ids.reverse()) socket.write(`{"return": ${id}, "id": ${id}}\n`)
    }),
  )
  const qmp = await Qmp.connect({ name: 'vm x', path })
  const [first, second] = await Promise.all([qmp.command<number>('a'), qmp.command<number>('b')])
  t.equal(second - first, 1)
  qmp.close()
})

const garbage: Record<string, [sent: string, message: string]> = {
  'not JSON': ['hello\n', 'vm x: expected a JSON object on the QMP socket, got "hello"'],
  'not an object': ['[1]\n', 'vm x: expected a JSON object on the QMP socket, got "[1]"'],
  'an error without a text': [
    '{"error": {}, "id": 1}\n',
    'vm x: QMP query-status: an answer without return or error',
  ],
}
for (const [name, [sent, message]] of Object.entries(garbage)) {
  t.test(`garbage: ${name}`, async (t) => {
    const path = await sick(
      t,
      greeting((socket) => socket.write(sent)),
    )
    const qmp = await Qmp.connect({ name: 'vm x', path })
    await t.rejects(qmp.command('query-status'), { message })
    qmp.close()
  })
}

t.test('what is asked while it is unanswered is asked once, and answered to both', async (t) => {
  const ids: number[] = []
  const sockets: Socket[] = []
  const path = await sick(
    t,
    greeting((socket, id) => {
      ids.push(id)
      sockets.push(socket)
    }),
  )
  const qmp = await Qmp.connect({ name: 'vm x', path })
  const both = [qmp.query('query-a'), qmp.query('query-a')]
  const other = qmp.query('query-a', { of: 'something else' })
  while (ids.length < 2) await sleep(1)
  for (const [index, id] of ids.entries())
    sockets[index]!.write(`{"return": ${index}, "id": ${id}}\n`)
  t.strictSame(await Promise.all([...both, other]), [0, 0, 1])
  t.equal(ids.length, 2)
  qmp.close()
})

t.test('a qemu that hangs is not asked again until it answers', async (t) => {
  const asked: [Socket, number][] = []
  const path = await sick(
    t,
    greeting((socket, id) => asked.push([socket, id])),
  )
  const qmp = await Qmp.connect({ name: 'vm x', path })
  await t.rejects(qmp.query('query-a', undefined, 50), {
    message: 'vm x: no answer to QMP query-a in 0.05 s',
  })
  await t.rejects(
    qmp.query('query-b', undefined, 50),
    /^vm x: no answer to QMP query-a in [\d.]+ s$/,
    'nor is it asked for something else: it answers one after another',
  )
  const patient = qmp.query('query-a', undefined, 60_000)
  t.equal(asked.length, 1)
  const [socket, id] = asked[0]!
  socket.write(`{"return": "late", "id": ${id}}\n`)
  t.equal(await patient, 'late', 'who waits longer gets the answer of the first question')
  const next = qmp.query('query-a', undefined, 50)
  while (asked.length < 2) await sleep(1)
  socket.write(`{"return": "in time", "id": ${asked[1]![1]}}\n`)
  t.equal(await next, 'in time')
  qmp.close()
})

t.test('ids stay short, and a late answer is not taken for that of the next command', async (t) => {
  const asked: [Socket, number][] = []
  const path = await sick(
    t,
    greeting((socket, id) => asked.push([socket, id])),
  )
  const qmp = await Qmp.connect({ name: 'vm x', path })
  await t.rejects(qmp.command('slow', undefined, 20), { message: /no answer to QMP slow/ })
  const next = qmp.command('next')
  while (asked.length < 2) await sleep(1)
  for (const [socket, id] of asked) socket.write(`{"return": "answer ${id}", "id": ${id}}\n`)
  t.equal(await next, 'answer 2')
  const last = qmp.command('last')
  while (asked.length < 3) await sleep(1)
  t.strictSame(
    asked.map(([, id]) => id),
    [1, 2, 1],
  )
  asked[2]![0].write('{"return": "done", "id": 1}\n')
  t.equal(await last, 'done')
  qmp.close()
})

t.test('a question that is open when the connection ends is told so', async (t) => {
  const path = await sick(
    t,
    greeting((socket) => socket.end()),
  )
  const qmp = await Qmp.connect({ name: 'vm x', path })
  const closed = { message: 'vm x: the QMP socket was closed by qemu' }
  await t.rejects(qmp.query('query-a'), closed)
  await t.rejects(qmp.query('query-a'), closed)
})

t.test('one that accepts and says nothing, and one that only greets', async (t) => {
  const silent = await sick(t, () => {})
  await t.rejects(Qmp.connect({ name: 'vm x', path: silent, timeoutMs: 50 }), {
    message: `vm x: no QMP greeting on ${silent} in 0.05 s; is another client connected?`,
  })
  const greets = await sick(t, (socket) => socket.write(GREETING))
  await t.rejects(Qmp.connect({ name: 'vm x', path: greets, timeoutMs: 50 }), {
    message: 'vm x: no answer to QMP qmp_capabilities in 0.05 s',
  })
})

const endless: Record<string, string> = {
  'a line without an end': 'x'.repeat(2 ** 16),
  'events without an end': '{"event": "STOP", "timestamp": {}}\n'.repeat(2 ** 11),
  'answers to nothing': '{"return": {}, "id": 999999}\n'.repeat(2 ** 11),
}
for (const [name, piece] of Object.entries(endless)) {
  t.test(`${name}: given up`, async (t) => {
    let sent = 0
    const path = await sick(
      t,
      greeting((socket) => {
        const more = () => {
          while (!socket.destroyed && socket.write(piece)) sent += piece.length
          socket.once('drain', more)
        }
        more()
      }),
    )
    const qmp = await Qmp.connect({ name: 'vm x', path })
    await t.rejects(qmp.command('query-status', undefined, 60_000), {
      message: 'vm x: sent more than 8388608 characters that answer nothing',
    })
    t.ok(sent < 64 * 2 ** 20, `${sent} characters`)
  })
}

t.test('query-blockstats that is not what its schema says', async (t) => {
  t.throws(() => parseBlockStats({}), { message: 'query-blockstats: expected a list, got object' })
  t.throws(() => parseBlockStats([{ qdev: 'd', stats: { rd_operations: 'many' } }]), {
    message: 'query-blockstats: d: rd_operations: expected a number, got "many"',
  })
  t.strictSame(
    parseBlockStats([{ stats: {} }, { qdev: 'd' }, null]),
    [],
    'entries without a device are left out',
  )
})
