import { closeSync, openSync, readSync } from 'node:fs'

interface Kept {
  fd: number
  /** Milliseconds of a monotonic clock. */
  readAt: number
}

export interface KeptFilesOptions {
  /** How many at most; others are opened for each reading. */
  limit: number
  now?(): number
}

/** One that was not read for so long is closed: its vm has gone, or its collector was switched off. */
const IDLE_MS = 60_000
const CHUNK_BYTES = 2 ** 16
// Whatever it is asked for, the kernel gives no more at a time than records that fit a page (fs/seq_file.c), and none of
// these files has one of half a page among shorter ones: what is shorter is all of it.
const SURELY_ALL_BYTES = 2 ** 11

/**
 * Small files of the kernel's own making that are read again and again and stay open in between: a reading from the
 * beginning makes their text anew. It takes 2 to 4 µs where one that opens and closes takes 9 to 12. A file whose process
 * or cgroup has gone says so (ESRCH, ENODEV), and what has its name now is opened in its place.
 */
export class KeptFiles {
  readonly #limit: number
  readonly #now: () => number
  readonly #files = new Map<string, Kept>()
  readonly #chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  #sweptAt: number

  constructor({ limit, now = () => performance.now() }: KeptFilesOptions) {
    this.#limit = limit
    this.#now = now
    this.#sweptAt = now()
  }

  /** Those that are open. */
  get size(): number {
    return this.#files.size
  }

  has(file: string): boolean {
    return this.#files.has(file)
  }

  read(file: string): string {
    const now = this.#now()
    if (now - this.#sweptAt > IDLE_MS) this.#sweep(now)
    const kept = this.#files.get(file)
    if (kept) {
      try {
        kept.readAt = now
        return this.#text(kept.fd)
      } catch {
        this.#close(file, kept)
      }
    }
    return this.#open(file, now)
  }

  #open(file: string, now: number): string {
    const fd = openSync(file, 'r')
    let keep = false
    try {
      const text = this.#text(fd)
      keep = this.#files.size < this.#limit
      if (keep) this.#files.set(file, { fd, readAt: now })
      return text
    } finally {
      if (!keep) closeSync(fd)
    }
  }

  #text(fd: number): string {
    let text = ''
    for (let at = 0; ; ) {
      const length = readSync(fd, this.#chunk, 0, CHUNK_BYTES, at)
      text += this.#chunk.toString('utf8', 0, length)
      at += length
      if (length === 0 || at < SURELY_ALL_BYTES) return text
    }
  }

  #sweep(now: number): void {
    this.#sweptAt = now
    for (const [file, kept] of this.#files) {
      if (now - kept.readAt > IDLE_MS) this.#close(file, kept)
    }
  }

  #close(file: string, { fd }: Kept): void {
    this.#files.delete(file)
    closeSync(fd)
  }
}
