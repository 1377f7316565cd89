// Loop devices that play disks, gone when the test has ended.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'

export interface TestDisk {
  /** /dev/loopN. */
  path: string
  name: string
  /** What is on it, past every cache: two that are the same have the same bytes. */
  hash(): Promise<string>
}

/** A disk of so many bytes. */
export async function diskFor(t: Pick<Test, 'teardown'>, sizeBytes: number): Promise<TestDisk> {
  const folder = await mkdtemp(join(tmpdir(), 'kvmio-disk-'))
  const file = join(folder, 'disk')
  await writeFile(file, '')
  await truncate(file, sizeBytes)
  // Partitions are read with -P alone; whether this kernel knows a table is another question.
  const path = sh('losetup', '-P', '--find', '--show', file).trim()
  t.teardown(async () => {
    await detach(path)
    await rm(folder, { recursive: true, force: true })
  })
  const hash = async () => {
    execFileSync('sync', [path])
    const sum = createHash('sha256')
    for await (const chunk of createReadStream(file)) sum.update(chunk)
    return sum.digest('hex')
  }
  return { path, name: path.replace('/dev/', ''), hash }
}

/** Runs a program to its end; throws when that is not a good one. */
export function sh(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

async function detach(path: string): Promise<void> {
  for (let left = 50; left > 0; left--) {
    try {
      sh('losetup', '--detach', path)
      return
    } catch {
      await sleep(100) // whoever has it open lets go in a moment
    }
  }
}
