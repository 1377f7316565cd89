import { fileURLToPath } from 'node:url'

/** The path of a file or folder below test/fixtures. */
export function fixture(path: string): string {
  return fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url))
}

/** Text that is nearly right: words that the kernel could have written, in any order. */
export const KERNEL_WORDS = [
  ...['0', '7', '254:0', '4294967295', '-1', 'vda', ' ', '  ', '\n', '\t', ':', '=', '-', ',', ''],
  ...['cpu', 'cpu0', 'MemTotal:', 'kB', 'Uid:', 'Read', 'Write', 'Total', 'rbytes=', 'wios=1'],
  ...['(', ')', 'S', '/', 'ext4', 'rw', '\\040', '{', '}', '[', ']', '"disk"', '"', 'null'],
]
