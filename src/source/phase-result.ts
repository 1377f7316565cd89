import { gunzipSync } from 'node:zlib'
import { KvmioError, messageOf } from '../lib/errors.ts'
import type { PhaseResult } from './phase-channel.ts'

/** More than any result of fio's, and less than what would hurt: a guest is not trusted with this host's memory. */
const MAX_BYTES = 16 * 2 ** 20

/** Something that a guest has told in parts. */
export interface Result {
  name: string
  content: string
}

/** Puts the parts of a guest's results together. Lines may come again from the start, as after a take-over. */
export class ResultParts {
  #parts: PhaseResult[] = []

  /** Whether the beginning of one has been told, and not its end. */
  get isOpen(): boolean {
    return this.#parts.length > 0
  }

  /** Takes the next part; the result when it was the last one. Throws when a part was lost. */
  take(line: PhaseResult): Result | undefined {
    if (line.part === 1) this.#parts = []
    const { name, of } = line
    const isNext =
      line.part === this.#parts.length + 1 &&
      this.#parts.every((part) => part.of === of && part.name === name)
    if (!isNext) {
      const got = this.#parts.length
      this.#parts = []
      throw new KvmioError(
        `result ${name}: expected part ${got + 1}, got part ${line.part} of ${of}`,
      )
    }
    this.#parts.push(line)
    if (line.part < of) return undefined
    const packed = Buffer.from(this.#parts.map(({ text }) => text).join(''), 'base64')
    this.#parts = []
    return { name, content: unpack(name, packed) }
  }
}

function unpack(name: string, packed: Buffer): string {
  try {
    return gunzipSync(packed, { maxOutputLength: MAX_BYTES }).toString()
  } catch (error) {
    throw new KvmioError(`result ${name}: expected gzip's bytes: ${messageOf(error)}`, {
      cause: error,
    })
  }
}
