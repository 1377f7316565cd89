import { Writable } from 'node:stream'

/** A terminal as large as it says it is: keeps the lines that are on its screen, and those that scrolled away. */
export class Terminal extends Writable {
  readonly isTTY = true
  readonly columns: number
  readonly rows: number
  readonly scrolled: string[] = []
  #screen: string[] = ['']
  #row = 0
  #column = 0

  constructor({ columns = 80, rows = 24 } = {}) {
    super({ decodeStrings: false })
    this.columns = columns
    this.rows = rows
  }

  override _write(chunk: string, _encoding: string, done: () => void): void {
    for (const [token] of String(chunk).matchAll(CONTROL)) this.#take(token)
    done()
  }

  /** What a person sees, without the empty line of the cursor. */
  get screen(): string[] {
    return this.#screen.at(-1) === '' ? this.#screen.slice(0, -1) : [...this.#screen]
  }

  #take(token: string): void {
    const up = /^\x1b\[(\d+)A$/.exec(token)
    if (up) {
      this.#row = Math.max(0, this.#row - Number(up[1]))
      this.#column = 0
    } else if (token === '\x1b[J') {
      this.#screen.length = this.#row + 1
      this.#screen[this.#row] = this.#screen[this.#row]!.slice(0, this.#column)
    } else if (token === '\n') {
      this.#newLine()
    } else if (token.startsWith('\x1b')) {
      throw new Error(`a sequence that this terminal does not know: ${JSON.stringify(token)}`)
    } else {
      if (this.#column === this.columns) this.#newLine()
      const line = this.#screen[this.#row]!.padEnd(this.#column)
      this.#screen[this.#row] = line.slice(0, this.#column) + token + line.slice(this.#column + 1)
      this.#column += 1
    }
  }

  #newLine(): void {
    this.#row += 1
    this.#column = 0
    this.#screen[this.#row] ??= ''
    if (this.#row < this.rows) return
    this.scrolled.push(this.#screen.shift()!)
    this.#row -= 1
  }
}

const CONTROL = /\x1b\[\d*[A-Z]|[\s\S]/g
