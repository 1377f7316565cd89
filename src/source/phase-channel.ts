// What a guest writes on its second serial port, as qemu logs it (chardev logfile=). A line:
// `kvmio SEQ UPTIME KIND REST`; SEQ counts from 1, UPTIME is the first value of the guest's /proc/uptime.
import { statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { codeOf, ParseError } from '../lib/errors.ts'

const CHUNK_BYTES = 2 ** 20
const NEWLINE = 0x0a
const MIN_DISK_FIELDS = 11 // kernel.org/doc/Documentation/admin-guide/iostats.rst: 11, 15 and then 17

interface Stamp {
  /** Counts from 1 by one: a gap is a line that was lost. */
  seq: number
  /** Seconds since the guest's kernel started. */
  uptime: number
}

/** A new phase of the workload has begun. */
export interface PhaseBegin extends Stamp {
  kind: 'phase'
  phase: string
}

/** The state of one disk, as the guest's kernel counts it. */
export interface PhaseDisk extends Stamp {
  kind: 'disk'
  /** The disk's serial number. */
  drive: string
  /** Its name in the guest: vda, sda, nvme0n1. */
  disk: string
  /** The kernel driver that serves it: virtio_blk, ata_piix. */
  driver: string
  /** The fields of /proc/diskstats after the name, as the kernel wrote them. */
  stat: string
}

/** A step of the workload failed. */
export interface PhaseError extends Stamp {
  kind: 'error'
  message: string
}

/** The last line: the guest powers off next. */
export interface PhaseEnd extends Stamp {
  kind: 'end'
  outcome: 'passed' | 'failed'
}

/** Something that the guest knows and the host does not. */
export interface PhaseFact extends Stamp {
  kind: 'fact'
  name: string
  value: string
}

/** A part of something too long for one line: base 64 of gzip's bytes, cut into lines. */
export interface PhaseResult extends Stamp {
  kind: 'result'
  /** What it is: `fio`. */
  name: string
  /** From 1 up to `of`. */
  part: number
  of: number
  text: string
}

export type PhaseLine = PhaseBegin | PhaseDisk | PhaseError | PhaseEnd | PhaseFact | PhaseResult

/** The lines of one guest's log, each given out once. */
export class PhaseLog {
  /** Where the next line starts, in bytes: what a journal keeps, to go on from there. */
  offset: number
  /** Lines that began as one of kvmio's and were not whole, as a crash leaves them; they are skipped. */
  damaged = 0
  readonly #file: string

  constructor(file: string, offset = 0) {
    this.#file = file
    this.offset = offset
  }

  /** What is new and complete; nothing while the file is not there. One call at a time. */
  async read(): Promise<PhaseLine[]> {
    const lines: PhaseLine[] = []
    for (;;) {
      const bytes = await readFrom(this.#file, this.offset)
      const full = bytes.length === CHUNK_BYTES
      const length = bytes.lastIndexOf(NEWLINE) + 1
      if (length > 0) lines.push(...this.#parse(bytes.toString('utf8', 0, length)))
      else if (full) this.damaged += 1 // no line is that long: pass over it, or it would be met for ever
      this.offset += length === 0 && full ? CHUNK_BYTES : length
      if (!full) return lines
    }
  }

  #parse(text: string): PhaseLine[] {
    return text.split('\n').flatMap((line) => {
      try {
        return parsePhaseLine(line, this.#file) ?? []
      } catch (error) {
        if (!(error instanceof ParseError)) throw error
        this.damaged += 1
        return []
      }
    })
  }
}

/** One line; undefined when it is not one of kvmio's. Throws {@link ParseError} for a damaged one. */
export function parsePhaseLine(
  line: string,
  file = 'phase channel',
  lineNumber = 1,
): PhaseLine | undefined {
  if (!line.startsWith('kvmio ')) return undefined
  const expect = (expected: string, found: string | undefined): ParseError => {
    const got = found === undefined ? 'nothing' : JSON.stringify(found)
    return new ParseError(file, lineNumber, `expected ${expected}, got ${got}`)
  }
  const [, seq, uptime, kind, rest] = cut(line.endsWith('\r') ? line.slice(0, -1) : line, 4)
  if (!/^[1-9]\d{0,14}$/.test(seq ?? '')) throw expect('a number that counts from 1', seq)
  if (!/^\d{1,9}(\.\d{1,9})?$/.test(uptime ?? '')) throw expect('an uptime in seconds', uptime)
  const stamp = { seq: Number(seq), uptime: Number(uptime) }
  switch (kind) {
    case 'phase':
      if (!isWord(rest)) throw expect('the name of a phase', rest)
      return { kind, ...stamp, phase: rest }
    case 'disk': {
      const [drive, disk, driver, stat] = cut(rest ?? '', 3)
      if (!isWord(drive)) throw expect("a drive's name", drive)
      if (!isWord(disk)) throw expect("a disk's name", disk)
      if (!isWord(driver)) throw expect("a driver's name", driver)
      if (!isDiskStat(stat)) throw expect('11 or more whole numbers of /proc/diskstats', stat)
      return { kind, ...stamp, drive, disk, driver, stat }
    }
    case 'error':
      if (!rest) throw expect('a message', rest)
      return { kind, ...stamp, message: rest }
    case 'end':
      if (rest !== 'passed' && rest !== 'failed') throw expect('passed or failed', rest)
      return { kind, ...stamp, outcome: rest }
    case 'fact': {
      const [name, value] = cut(rest ?? '', 1)
      if (!isWord(name)) throw expect("a fact's name", name)
      if (!value) throw expect(`the value of ${name}`, value)
      return { kind, ...stamp, name, value }
    }
    case 'result': {
      const [name, part, of, text] = cut(rest ?? '', 3)
      if (!isWord(name)) throw expect("a result's name", name)
      if (!isCount(part)) throw expect("a part's number", part)
      if (!isCount(of) || Number(part) > Number(of)) throw expect('the number of parts', of)
      if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text ?? '')) throw expect('base 64', text)
      return { kind, ...stamp, name, part: Number(part), of: Number(of), text: text! }
    }
    default:
      throw expect('phase, disk, error, end, fact or result', kind)
  }
}

/** The line as a guest writes it, without its newline. */
export function formatPhaseLine(line: PhaseLine): string {
  return `kvmio ${line.seq} ${line.uptime} ${line.kind} ${rest(line)}`
}

function rest(line: PhaseLine): string {
  switch (line.kind) {
    case 'phase':
      return line.phase
    case 'disk':
      return `${line.drive} ${line.disk} ${line.driver} ${line.stat}`
    case 'error':
      return line.message
    case 'end':
      return line.outcome
    case 'fact':
      return `${line.name} ${line.value}`
    case 'result':
      return `${line.name} ${line.part} ${line.of} ${line.text}`
  }
}

/** The first `count` words, and behind them the rest, spaces and all. */
function cut(text: string, count: number): string[] {
  const words: string[] = []
  let from = 0
  for (let space = text.indexOf(' '); space >= 0 && words.length < count; ) {
    words.push(text.slice(from, space))
    from = space + 1
    space = text.indexOf(' ', from)
  }
  return [...words, text.slice(from)]
}

function isWord(text: string | undefined): text is string {
  return text !== undefined && /^[\w.-]+$/.test(text)
}

function isCount(text: string | undefined): boolean {
  return /^[1-9]\d{0,5}$/.test(text ?? '')
}

function isDiskStat(text: string | undefined): text is string {
  const fields = text?.split(' ') ?? []
  return fields.length >= MIN_DISK_FIELDS && fields.every((field) => /^\d+$/.test(field))
}

async function readFrom(file: string, offset: number): Promise<Buffer> {
  try {
    // Four times a second for each vm there is mostly nothing new. To open the file for that, or to have another thread
    // ask, costs many times the question; the journal beside it is written without one too.
    const size = statSync(file, { throwIfNoEntry: false })?.size
    if (size === undefined || size <= offset) return Buffer.alloc(0)
    await using handle = await open(file, 'r')
    const length = Math.min(size - offset, CHUNK_BYTES)
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset)
    return buffer.subarray(0, bytesRead)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}
