/** An error whose message is a whole sentence for the user: place, what was expected, what was found. */
export class KvmioError extends Error {
  override name = 'KvmioError'
}

/** A text that is not what its format's document says. */
export class ParseError extends KvmioError {
  override name = 'ParseError'

  constructor(file: string, line: number, problem: string) {
    super(`${file}:${line}: ${problem}`)
  }
}

/** A config that cannot be used; every mistake at once, one a line. */
export class ConfigError extends KvmioError {
  override name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/** A command line that asks for what is not there, or for two things at once. */
export class UsageError extends KvmioError {
  override name = 'UsageError'
}

/** Something that was awaited did not come in time. */
export class DeadlineError extends KvmioError {
  override name = 'DeadlineError'
}

/** What cannot be done on this host, with the reason and the remedy; never a failure of kvmio's own. */
export class UnavailableError extends KvmioError {
  override name = 'UnavailableError'
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The code of a system error (`ENOENT`), if it is one. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | null)?.code
  return typeof code === 'string' ? code : undefined
}
