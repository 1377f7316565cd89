// https://docs.kernel.org/admin-guide/cgroup-v2.html#writeback
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../lib/errors.ts'
import { run } from '../lib/process.ts'

const DROP_INODES = '2'

/**
 * Makes the kernel forget in which cgroup files were made. What is written back of a file counts for the cgroup that
 * made it dirty first, for seconds after another has taken to writing it; without this, what a vm writes through the
 * page cache would count for the kvmio that made its image (kernel 6.1: __mark_inode_dirty attaches an inode to its
 * maker's cgroup). The files must be clean, by a syncfs: after an fsync alone an inode stays. Without the right to it,
 * nothing is done.
 */
export async function forgetMakers(files: readonly string[], procRoot: string): Promise<void> {
  if (files.length === 0) return
  for (const file of files) {
    // An inode with pages stays; with a count of 0 dd gives up those of the whole file: dd(1), nocache.
    const args = [`of=${file}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0', 'status=none']
    await run('dd', args)
  }
  try {
    await writeFile(join(procRoot, 'sys/vm/drop_caches'), DROP_INODES)
  } catch (error) {
    if (codeOf(error) === undefined) throw error
  }
}
