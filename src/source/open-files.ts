// What a process has open: /proc/PID/fd and /proc/PID/fdinfo, https://docs.kernel.org/filesystems/proc.html section 3.8
import { constants } from 'node:fs'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, ParseError } from '../lib/errors.ts'

/** A file or a device that a process has open, whatever has become of its name. */
export interface OpenFile {
  fd: number
  /** As the process saw it when it opened it. */
  path: string
  writable: boolean
  /** Passes the page cache by (O_DIRECT). */
  direct: boolean
  /** Of the mount that it lies on, in /proc/PID/mountinfo. */
  mountId: number
  /** Bytes of it that this open file has a lock on: first and last. */
  locks: readonly [first: number, last: number][]
}

export interface OpenFiles {
  files: OpenFile[]
  /** Whether it has made a virtual machine of KVM's. */
  hasKvmVm: boolean
}

/** Needs the right to trace the process. */
export async function readOpenFiles(procRoot: string, pid: number): Promise<OpenFiles> {
  const folder = join(procRoot, String(pid))
  const names = await readdir(join(folder, 'fd'))
  const links = await Promise.all(
    names.map(async (name) => ({ name, target: await linkOf(join(folder, 'fd', name)) })),
  )
  const opened = links.filter(({ target }) => target.startsWith('/') && !isNoFile(target))
  const files = await Promise.all(
    opened.map(async ({ name, target }): Promise<OpenFile[]> => {
      const file = join(folder, 'fdinfo', name)
      const text = await readFile(file, 'utf8').catch(goneIsEmpty)
      if (text === '') return []
      const path = target.replace(/ \(deleted\)$/, '')
      return [{ fd: Number(name), path, ...parseFdinfo(text, file) }]
    }),
  )
  return {
    files: files.flat().sort((a, b) => a.fd - b.fd),
    hasKvmVm: links.some(({ target }) => target === 'anon_inode:kvm-vm'),
  }
}

/** `flags:` in octal, `mnt_id:`, and a line `lock:` each lock, as in /proc/locks. */
export function parseFdinfo(
  text: string,
  file = '/proc/PID/fdinfo/FD',
): Omit<OpenFile, 'fd' | 'path'> {
  const lines = text.split('\n')
  const value = (key: string, pattern: RegExp, expected: string): string => {
    const at = lines.findIndex((line) => line.startsWith(`${key}:`))
    const found = lines[at]?.slice(key.length + 1).trim()
    if (found !== undefined && pattern.test(found)) return found
    const got = found === undefined ? 'found none' : `got ${JSON.stringify(found.slice(0, 80))}`
    throw new ParseError(
      file,
      at === -1 ? lines.length : at + 1,
      `${key}: expected ${expected}, ${got}`,
    )
  }
  const flags = Number.parseInt(value('flags', /^[0-7]{1,11}$/, 'an octal number'), 8)
  return {
    writable: (flags & ACCESS_MODE) !== constants.O_RDONLY,
    direct: (flags & constants.O_DIRECT) !== 0,
    mountId: Number(value('mnt_id', /^\d{1,10}$/, 'a whole number')),
    locks: lines.filter((line) => line.startsWith('lock:')).flatMap(lockOf),
  }
}

const ACCESS_MODE = constants.O_RDONLY | constants.O_WRONLY | constants.O_RDWR
/** Devices of memory and of terminals, and files without a disk; a disk's device is below /dev too. */
const NO_FILE =
  /^\/(memfd:|dmabuf:|anon_hugepage|SYSV|dev\/(null|zero|u?random|kvm|tty|pts\/|ptmx|hugepages|vhost-|vfio\/|net\/|sev|iommu|userfaultfd))/

function isNoFile(target: string): boolean {
  return NO_FILE.test(target)
}

/** `1: OFDLCK ADVISORY  READ -1 fe:00:2195571 100 101`: the last two are the first and the last byte, or EOF. */
function lockOf(line: string): [number, number][] {
  const [, first, last] = /\s(\d{1,15}) (\d{1,15}|EOF)$/.exec(line.trimEnd()) ?? []
  if (first === undefined) return []
  return [[Number(first), last === 'EOF' ? Number.POSITIVE_INFINITY : Number(last)]]
}

async function linkOf(path: string): Promise<string> {
  return await readlink(path).catch(goneIsEmpty)
}

/** It was closed meanwhile. */
function goneIsEmpty(error: unknown): string {
  if (['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '')) return ''
  throw error
}
