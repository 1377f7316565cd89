// QEMU Machine Protocol: https://www.qemu.org/docs/master/interop/qmp-spec.html
import { connect, type Socket } from 'node:net'
import { codeOf, DeadlineError, KvmioError } from '../lib/errors.ts'

/** A QMP connection that cannot be had, was lost, or answered with an error. */
export class QmpError extends KvmioError {
  override name = 'QmpError'
}

export interface QmpEvent {
  event: string
  data?: Record<string, unknown>
}

export interface QmpOptions {
  /** Whose socket it is, for error messages: `vm demo-ide-raw-1`. */
  name: string
  path: string
  /** For the greeting, and for each command that does not say otherwise. */
  timeoutMs?: number
}

interface Pending {
  command: string
  resolve(value: unknown): void
  reject(error: Error): void
  timer?: NodeJS.Timeout
}

/** A state that was asked for and has not come yet. */
interface Question {
  command: string
  /** Milliseconds of a monotonic clock. */
  at: number
  answer: Promise<unknown>
}

const TIMER_MS = 1 // by which a timer of Node's may fire before its time
// query-blockstats with 30 drives is 60 kB; whoever sends this much and answers nothing does not speak QMP.
const MAX_UNANSWERED = 8 * 2 ** 20

const CLOSED_BY_QEMU = 'the QMP socket was closed by qemu'
// How a qemu that ends shows while something is still on its way to it.
const CLOSED = new Set(['ECONNRESET', 'EPIPE'])

/** A client of one qemu, from its greeting until either side closes. */
export class Qmp {
  readonly #name: string
  readonly #timeoutMs: number
  readonly #socket: Socket
  readonly #pending = new Map<number, Pending>()
  readonly #listeners = new Set<(event: QmpEvent) => void>()
  readonly #greeting = Promise.withResolvers<void>()
  readonly #closed = Promise.withResolvers<QmpError>()
  /** By command and arguments, the oldest first. */
  readonly #questions = new Map<string, Question>()
  #partial: string[] = []
  /** Characters that came since the last answer. */
  #unanswered = 0
  #lastAnswerTime: number | undefined
  #failure: QmpError | undefined

  private constructor(socket: Socket, { name, path, timeoutMs = 3_000 }: QmpOptions) {
    this.#name = name
    this.#timeoutMs = timeoutMs
    this.#socket = socket
    this.#greeting.promise.catch(() => {})
    socket.setEncoding('utf8')
    socket.on('data', (chunk) => this.#receive(String(chunk)))
    socket.on('error', (error) => {
      const code = codeOf(error) ?? error.message
      this.#fail(CLOSED.has(code) ? CLOSED_BY_QEMU : `QMP socket ${path}: ${code}`)
    })
    socket.on('close', () => this.#fail(CLOSED_BY_QEMU))
  }

  /** Connects and negotiates. A second client at the same time gets no greeting from qemu, which shows here as a time-out. */
  static async connect(options: QmpOptions): Promise<Qmp> {
    const { path, timeoutMs = 3_000 } = options
    const socket = connect(path)
    const qmp = new Qmp(socket, options)
    const timer = setTimeout(() => {
      qmp.#fail(`no QMP greeting on ${path} in ${timeoutMs / 1000} s; is another client connected?`)
    }, timeoutMs)
    try {
      await qmp.#greeting.promise
      clearTimeout(timer)
      await qmp.command('qmp_capabilities')
    } catch (error) {
      qmp.close()
      throw error
    } finally {
      clearTimeout(timer)
    }
    return qmp
  }

  /** Resolves with the reason once the connection is gone. */
  get closed(): Promise<QmpError> {
    return this.#closed.promise
  }

  get isOpen(): boolean {
    return this.#failure === undefined
  }

  /** When it last answered anything, Unix seconds. */
  get lastAnswerTime(): number | undefined {
    return this.#lastAnswerTime
  }

  /** Sends a command and waits for its answer; throws on qemu's error, a lost connection, or after the deadline. */
  command<T = unknown>(
    command: string,
    args?: Record<string, unknown>,
    timeoutMs = this.#timeoutMs,
  ): Promise<T> {
    if (this.#failure) return Promise.reject(this.#failure)
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => reject(this.#late(command, timeoutMs)), timeoutMs)
      const settle = { resolve: resolve as (value: unknown) => void, reject }
      this.#send(command, args, { command, ...settle, timer })
    })
  }

  /**
   * Asks for a state, as is done again and again. A question is put once: who asks the same while it is unanswered gets
   * its answer too. And time runs from the oldest question that is unanswered: a qemu that hangs is waited for once, has
   * no questions heaped up in its socket, and counts as silent at once until it answers.
   */
  query<T = unknown>(
    command: string,
    args?: Record<string, unknown>,
    timeoutMs = this.#timeoutMs,
  ): Promise<T> {
    if (this.#failure) return Promise.reject(this.#failure)
    const now = performance.now()
    const [oldest] = this.#questions.values()
    const leftMs = oldest ? oldest.at + timeoutMs - now : timeoutMs
    if (oldest && leftMs <= TIMER_MS)
      return Promise.reject(this.#late(oldest.command, now - oldest.at))
    const key = args ? command + JSON.stringify(args) : command
    const { answer } = this.#questions.get(key) ?? this.#ask(key, command, args, now)
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => reject(this.#late(command, leftMs)), leftMs)
      const settle = answer as Promise<T>
      settle.then(resolve, reject).finally(() => clearTimeout(timer))
    })
  }

  /** Calls the listener for each event from now on; the returned function ends that. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Lets go of the socket; qemu goes on. */
  close(): void {
    this.#fail('the connection was closed')
  }

  #ask(
    key: string,
    command: string,
    args: Record<string, unknown> | undefined,
    at: number,
  ): Question {
    const { promise: answer, resolve, reject } = Promise.withResolvers<unknown>()
    const settled = () => this.#questions.delete(key)
    answer.then(settled, settled)
    const question = { command, at, answer }
    this.#questions.set(key, question)
    this.#send(command, args, { command, resolve, reject })
    return question
  }

  /**
   * The id is the smallest that is free: qemu reads a command byte by byte, with a poll and a read for each (monitor.c:
   * monitor_can_read), 5 µs. It stays taken until the answer comes, which may be after the deadline.
   */
  #send(command: string, args: Record<string, unknown> | undefined, pending: Pending): void {
    let id = 1
    while (this.#pending.has(id)) id++
    this.#pending.set(id, pending)
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`)
  }

  #late(command: string, afterMs: number): DeadlineError {
    const seconds = Math.round(afterMs) / 1000
    return new DeadlineError(`${this.#name}: no answer to QMP ${command} in ${seconds} s`)
  }

  #receive(chunk: string): void {
    this.#unanswered += chunk.length
    // A long answer comes in many chunks: joined once, when its newline is here.
    this.#partial.push(chunk)
    if (chunk.includes('\n')) {
      const lines = this.#partial.join('').split('\n')
      this.#partial = [lines.pop() ?? '']
      for (const line of lines) if (line.trim() !== '') this.#take(line)
    }
    if (this.#unanswered > MAX_UNANSWERED)
      this.#fail(`sent more than ${MAX_UNANSWERED} characters that answer nothing`)
  }

  #take(line: string): void {
    const message = parseQmpLine(line)
    if (message === undefined) {
      this.#fail(
        `expected a JSON object on the QMP socket, got ${JSON.stringify(line.slice(0, 80))}`,
      )
    } else if ('QMP' in message) {
      this.#greeting.resolve()
    } else if (typeof message.event === 'string') {
      for (const listener of this.#listeners) listener(message as unknown as QmpEvent)
    } else {
      this.#settle(message)
    }
  }

  #settle(message: Record<string, unknown>): void {
    const pending = this.#pending.get(Number(message.id))
    if (!pending) return // nobody asked
    this.#pending.delete(Number(message.id))
    clearTimeout(pending.timer)
    this.#unanswered = 0
    this.#lastAnswerTime = Date.now() / 1000
    if ('return' in message) {
      pending.resolve(message.return)
      return
    }
    const { desc } = (message.error ?? {}) as { desc?: string }
    pending.reject(
      new QmpError(
        `${this.#name}: QMP ${pending.command}: ${desc ?? 'an answer without return or error'}`,
      ),
    )
  }

  #fail(reason: string): void {
    if (this.#failure) return
    const failure = new QmpError(`${this.#name}: ${reason}`)
    this.#failure = failure
    this.#greeting.reject(failure)
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer)
      reject(failure)
    }
    this.#pending.clear()
    this.#listeners.clear()
    this.#socket.destroy()
    this.#closed.resolve(failure)
  }
}

/** One line of QMP as an object, undefined when it is not one. */
export function parseQmpLine(line: string): Record<string, unknown> | undefined {
  try {
    const message: unknown = JSON.parse(line)
    return typeof message === 'object' && message !== null && !Array.isArray(message)
      ? (message as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
