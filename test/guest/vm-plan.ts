import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { VmPlan } from '../../src/guest/plan.ts'
import { startQemu } from '../../src/guest/qemu-process.ts'
import { isSameProcess } from '../../src/source/proc.ts'

export const BINARY = 'qemu-system-x86_64'

/** The folder of the vms' folders, with a kernel beside it; gone when the test has ended. */
export async function vmsFolder(t: Test, name = 'vms'): Promise<string> {
  const state = await mkdtemp(join(tmpdir(), 'kvmio-vm-'))
  t.teardown(() => rm(state, { recursive: true, force: true }))
  await writeFile(join(state, 'kernel'), Buffer.alloc(16_384)) // which qemu takes for one as long as it does not run
  const vmsDir = join(state, name)
  await mkdir(vmsDir)
  return vmsDir
}

/** A vm that is never let run. */
export function planOf(vmsDir: string, name: string, more: Partial<VmPlan> = {}): VmPlan {
  return {
    name,
    study: 'demo',
    case: 'only',
    slot: 1,
    guest: 'student',
    system: 'own',
    workload: 'idle',
    directory: join(vmsDir, name),
    accelerator: 'tcg',
    memoryBytes: 32 * 2 ** 20,
    vcpus: 1,
    boot: { kernel: join(vmsDir, '../kernel'), append: '' },
    drives: [],
    deadlines: { start: 5, boot: 5, phase: 5 },
    ...more,
  }
}

/** A qemu that stands before its first instruction; ended when the test has. */
export async function startPaused(t: Test, plan: VmPlan, binary = BINARY) {
  const process_ = await startQemu(plan, binary, '/proc')
  t.teardown(async () => {
    const { pid, startTicks } = process_
    if (await isSameProcess('/proc', pid, startTicks)) process.kill(pid, 'SIGKILL')
  })
  return process_
}
