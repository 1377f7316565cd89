import { execa, type Options } from 'execa'
import { codeOf, KvmioError } from './errors.ts'

const KEPT_LINES = 8

/** A child process that did not start, failed, or was killed; the last lines of its stderr are in the message. */
export class ProcessError extends KvmioError {
  override name = 'ProcessError'
}

export interface RunOptions {
  /** The name in error messages; the file's by default. */
  name?: string
  timeoutMs?: number
  /** Written to standard input. */
  input?: string | Uint8Array
  cwd?: string
  signal?: AbortSignal
  /** What ends it when it takes too long or is given up; SIGTERM by default, and SIGKILL five seconds later. */
  killSignal?: NodeJS.Signals
}

/** Runs a command to its end. Throws {@link ProcessError} unless it exits with 0. Never through a shell. */
export async function run(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { name = file, timeoutMs, input, cwd, signal, killSignal } = options
  const result = await execa(file, args, {
    input,
    cwd,
    timeout: timeoutMs,
    cancelSignal: signal,
    killSignal,
    reject: false,
    env: { LC_ALL: 'C' },
  } as Options)
  if (result.exitCode === 0) return String(result.stdout ?? '')
  const end = result.timedOut
    ? `did not end in ${(timeoutMs ?? 0) / 1000} s`
    : ending(file, result.exitCode, result.signal, result.code)
  const lines = String(result.stderr || result.stdout || '').split('\n')
  throw new ProcessError(worded(name, end, lines.slice(-KEPT_LINES)), { cause: result })
}

export interface ProcessOptions {
  name?: string
  file: string
  args: readonly string[]
  env?: Record<string, string>
  /** The signal that ends it in order; SIGTERM by default. */
  stopSignal?: NodeJS.Signals
  /** How long it may take to end before it is killed. */
  graceMs?: number
}

export interface RunningProcess extends AsyncDisposable {
  pid: number
  /** Its standard output. To be read to the end: a full pipe blocks the child. */
  stdout: AsyncIterable<Uint8Array>
  /** Settles when it has ended: rejects unless it exited with 0 or was stopped. */
  done: Promise<void>
  stop(): Promise<void>
}

/** Starts a long-lived child. It ends with us: on stop(), at the end of `await using`, and when this process exits. */
export function startProcess(options: ProcessOptions): RunningProcess {
  const { file, args, name = file, env, stopSignal = 'SIGTERM', graceMs = 5_000 } = options
  const child = execa(file, args, {
    stdin: 'ignore',
    stderr: 'pipe',
    buffer: false, // else a long run keeps all its output in memory
    reject: false, // the error is worded below
    env: { LC_ALL: 'C', ...env },
    killSignal: stopSignal, // else execa would not force the end of a child that ignores this signal
    forceKillAfterDelay: graceMs,
  })
  let stopping = false
  const lastLines: string[] = []
  const watch = async (): Promise<void> => {
    for await (const line of child.iterable({ from: 'stderr' })) {
      lastLines.push(String(line))
      if (lastLines.length > KEPT_LINES) lastLines.shift()
    }
    const { exitCode, signal, code } = await child
    if (stopping || exitCode === 0) return
    throw new ProcessError(worded(name, ending(file, exitCode, signal, code), lastLines))
  }
  const done = watch()
  done.catch(() => {}) // whoever awaits `done` gets the error; nobody else may crash on it
  const stop = async (): Promise<void> => {
    stopping = true
    child.kill()
    await done
  }
  return { pid: child.pid ?? 0, stdout: child.stdout, done, stop, [Symbol.asyncDispose]: stop }
}

export interface DetachedOptions {
  name?: string
  file: string
  args: readonly string[]
  cwd: string
  /** An open file descriptor that takes its stdout and stderr. */
  output: number
  /** Who it runs as; this process's own by default. */
  user?: { uid: number; gid: number }
}

export interface DetachedProcess {
  pid: number
  /** Resolves, while this process lives, with how it ended: `exited with code 1`, `was killed by SIGSYS`. */
  ended: Promise<string>
}

/** Starts a process that goes on when this one is killed; whoever comes next finds it by its pid and start time. */
export async function startDetached(options: DetachedOptions): Promise<DetachedProcess> {
  const { file, args, name = file, cwd, output, user } = options
  const child = execa(file, args, {
    cwd,
    detached: true,
    cleanup: false,
    stdin: 'ignore',
    stdout: output,
    stderr: output,
    buffer: false,
    reject: false,
    env: { LC_ALL: 'C' },
    ...user,
  } as Options)
  const ended = (async () => {
    const { exitCode, signal, code } = await child
    return ending(file, exitCode, signal, code)
  })()
  if (child.pid === undefined) throw new ProcessError(worded(name, await ended, []))
  child.nodeChildProcess.unref()
  return { pid: child.pid, ended }
}

/** Whether a process with this id exists (a zombie counts until it is reaped). */
export function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

function ending(file: string, exitCode?: number, signal?: string, code?: string): string {
  if (signal) return `was killed by ${signal}`
  if (exitCode !== undefined) return `exited with code ${exitCode}`
  if (code === 'ENOENT') return `did not start: ${file} is not installed`
  return `did not start: cannot run ${file}${code ? ` (${code})` : ''}`
}

function worded(name: string, end: string, lines: readonly string[]): string {
  const output = lines.filter((line) => line.trim() !== '').join('\n  ')
  return output === '' ? `${name} ${end}` : `${name} ${end}:\n  ${output}`
}
