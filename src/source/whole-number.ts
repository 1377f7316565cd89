import { ParseError } from '../lib/errors.ts'

/** A count as the kernel prints it, up to 64 bits; above 2^53 it is rounded. */
export function wholeNumber(raw: string, what: string, file: string, line: number): number {
  if (/^\d{1,20}$/.test(raw)) return Number(raw)
  throw new ParseError(file, line, `${what}: expected a whole number, got ${JSON.stringify(raw)}`)
}
