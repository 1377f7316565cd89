import { fileURLToPath } from 'node:url'
import { ParseError } from '../../src/lib/errors.ts'

/** The path of a file or folder below test/fixtures. */
export function fixture(path: string): string {
  return fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url))
}

/** Whether parsing ends with a value or with a ParseError: anything else is rethrown. */
export function parsesOrSaysWhy(parse: () => unknown): boolean {
  try {
    parse()
  } catch (error) {
    if (!(error instanceof ParseError)) throw error
  }
  return true
}

/** Text that is nearly right: words that the kernel could have written, in any order. */
export const KERNEL_WORDS = [
  ...['0', '7', '254:0', '4294967295', '-1', 'vda', ' ', '  ', '\n', '\t', ':', '=', '-', ',', ''],
  ...['cpu', 'cpu0', 'MemTotal:', 'kB', 'Uid:', 'Read', 'Write', 'Total', 'rbytes=', 'wios=1'],
  ...['(', ')', 'S', '/', 'ext4', 'rw', '\\040', '{', '}', '[', ']', '"disk"', '"', 'null'],
]
