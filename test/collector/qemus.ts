// Vms for scrapes: real qemus, paused, and quick endpoints that speak QMP as far as a scrape needs it.
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { type RunningProcess, startProcess } from '../../src/lib/process.ts'
import { Qmp } from '../../src/source/qmp.ts'
import { folder } from './host.ts'

const START_MS = 30_000

/** A qemu that was never let run, with one drive whose id is drive-root; ends with the test. */
export async function pausedQemu(t: Test, name: string): Promise<{ pid: number; qmp: Qmp }> {
  const path = join(await folder(t), 'qmp.sock')
  const qemu: RunningProcess = startProcess({
    file: 'qemu-system-x86_64',
    args: [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-S'],
      ...['-machine', 'pc', '-accel', 'tcg', '-m', '32'],
      ...['-chardev', `socket,id=qmp,path=${path},server=on,wait=off`],
      ...['-mon', 'chardev=qmp,mode=control'],
      ...['-blockdev', '{"driver":"null-co","node-name":"n0","size":1048576,"read-zeroes":true}'],
      ...['-device', '{"driver":"virtio-blk-pci","drive":"n0","id":"drive-root"}'],
    ],
  })
  t.teardown(async () => {
    process.kill(qemu.pid, 'SIGCONT') // one that is stopped takes no SIGTERM
    await qemu.stop()
  })
  return { pid: qemu.pid, qmp: await connectWhenUp(name, path) }
}

async function connectWhenUp(name: string, path: string): Promise<Qmp> {
  for (const deadline = Date.now() + START_MS; ; await sleep(20)) {
    try {
      return await Qmp.connect({ name: `vm ${name}`, path, timeoutMs: START_MS })
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
  }
}

export interface Endpoint {
  path: string
  /** Questions that came, but for the first one of each connection. */
  questions: { count: number }
}

/** A socket that takes any number of clients and answers each question with this; with undefined it is silent. */
export async function endpoint(t: Test, answer: unknown): Promise<Endpoint> {
  const path = join(await folder(t), 'qmp.sock')
  const sockets = new Set<Socket>()
  const questions = { count: 0 }
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => {})
    socket.write('{"QMP": {"version": {}, "capabilities": []}}\n')
    socket.setEncoding('utf8').on('data', (text) => {
      for (const line of String(text).trim().split('\n')) {
        const { execute, id } = JSON.parse(line)
        const isFirst = execute === 'qmp_capabilities'
        if (!isFirst) questions.count++
        if (isFirst || answer !== undefined)
          socket.write(`${JSON.stringify({ return: isFirst ? {} : answer, id })}\n`)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(path, 4096, resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { path, questions }
}
