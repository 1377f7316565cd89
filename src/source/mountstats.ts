// Reads /proc/self/mountstats, where the NFS client counts: fs/nfs/iostat.h and net/sunrpc/stats.c of the kernel, and
// mountstats(8) of nfs-utils.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ParseError } from '../lib/errors.ts'
import type { ClientIo } from './client-io.ts'
import { unescaped } from './mounts.ts'
import { wholeNumber } from './whole-number.ts'

/** The NFS mounts of this process's view, by mount point. */
export async function readMountstats(procRoot: string): Promise<Map<string, ClientIo>> {
  const file = join(procRoot, 'self/mountstats')
  return parseMountstats(await readFile(file, 'utf8'), file)
}

/** Bytes are those that went over the network; times are from the request to the answer, the client's queue included. */
export function parseMountstats(
  text: string,
  file = '/proc/self/mountstats',
): Map<string, ClientIo> {
  const mounts = new Map<string, ClientIo>()
  let mount: ClientIo | undefined
  for (const [index, row] of text.split('\n').entries()) {
    if (row.startsWith('device ') || row.startsWith('no device ')) {
      // device SERVER:/PATH mounted on POINT with fstype nfs4 statvers=1.1
      const [, point, type] = / mounted on (\S+) with fstype (\S+)/.exec(row) ?? []
      mount = undefined
      if (point === undefined || !/^nfs4?$/.test(type ?? '')) continue
      mount = {}
      mounts.set(unescaped(point), mount) // of two at one mount point the later one hides the earlier
    } else if (mount) {
      Object.assign(mount, parseRow(row.trim(), file, index + 1))
    }
  }
  return mounts
}

function parseRow(row: string, file: string, line: number): ClientIo {
  const [name = '', ...values] = row.split(/\s+/)
  const field = (index: number, what: string): number => {
    const value = values[index]
    if (value !== undefined) return wholeNumber(value, `${name} ${what}`, file, line)
    throw new ParseError(file, line, `${name} expected ${what}, got the end of the line`)
  }
  // OPERATION: operations, transmissions, major timeouts, bytes sent, bytes received, and in ms: queue, round trip, whole.
  const operations = () => field(0, 'operations')
  const seconds = () => field(7, 'time') / 1000
  switch (name) {
    // As the program asked: normal read, written, direct read, written; then over the network: read, written; pages.
    case 'bytes:':
      return { readBytes: field(4, 'bytes read'), writtenBytes: field(5, 'bytes written') }
    case 'READ:':
      return { readsCompleted: operations(), readSeconds: seconds() }
    case 'WRITE:':
      return { writesCompleted: operations(), writeSeconds: seconds() }
    case 'COMMIT:':
      return { flushes: operations(), flushSeconds: seconds() }
    default:
      return {}
  }
}
