import { join } from 'node:path'
import type { Vm } from '../attribution/records.ts'
import type { SeenDemand } from '../density/pooled.ts'
import type { Demand as SampledDemand } from '../sampler/demand.ts'
import { imageKey } from '../sampler/image-reader.ts'
import { readKernelText } from '../source/kernel-text.ts'
import { readProcStat } from '../source/proc.ts'
import { callControl } from '../web/control.ts'
import { controlPath } from './control.ts'
import type { Engine } from './engine.ts'
import type { Work } from './work.ts'

/** What is known of a vm that runs now. */
export interface LiveVm {
  name: string
  /** Absent of one that kvmio did not start. */
  guest?: string
  /** Those that its drives are on. */
  tiers: string[]
  demand: readonly SampledDemand[]
  /** What its qemu takes of the host, bytes; absent until that has been read. */
  memoryBytes?: number
  /** What its images take, bytes by tier. */
  imageBytes: Record<string, number>
  /** Processors, on average since it began. */
  cpu?: number
}

/** The vms that a kvmio knows. */
export const VMS: Work<object, never, LiveVm[]> = {
  kind: 'vms',
  parse: () => ({}),
  do: (engine) => liveVms(engine),
}

/** The vms of the kvmio that serves the state directory; undefined when there is none. */
export async function askLiveVms(stateDir: string): Promise<LiveVm[] | undefined> {
  const answer = await callControl({
    path: controlPath(stateDir),
    method: 'POST',
    url: `/v1/work/${VMS.kind}`,
    body: {},
  })
  return answer && (answer.value as { result: LiveVm[] }).result
}

export async function liveVms(engine: Engine): Promise<LiveVm[]> {
  const { procRoot } = engine.options
  const uptime = Number((await readKernelText(join(procRoot, 'uptime'))).split(' ')[0])
  return await Promise.all(
    engine.vms().map(async (vm) => {
      const memory = engine.memory.of(vm.pid)
      const cpu = await cpuOf(vm, procRoot, uptime)
      return {
        name: vm.name,
        ...(vm.guest !== undefined && { guest: vm.guest }),
        tiers: [...new Set(vm.drives.map(({ tier }) => tier))],
        demand: engine.sampler.vmDemand.get(vm.name) ?? [],
        ...(memory && { memoryBytes: memory.totalBytes }),
        imageBytes: imageBytes(vm, engine),
        ...(cpu !== undefined && { cpu }),
      }
    }),
  )
}

function imageBytes(vm: Vm, { images }: Engine): Record<string, number> {
  const bytes: Record<string, number> = {}
  for (const drive of vm.drives) {
    const taken = images.of(imageKey(vm, drive, 0))?.allocatedBytes ?? 0
    bytes[drive.tier] = (bytes[drive.tier] ?? 0) + taken
  }
  return bytes
}

async function cpuOf({ pid }: Vm, procRoot: string, uptime: number): Promise<number | undefined> {
  try {
    const { cpuSeconds, startTicks } = await readProcStat(procRoot, pid)
    const age = uptime - startTicks / 100
    return age > 0 ? cpuSeconds / age : undefined
  } catch {
    return undefined // it has just ended
  }
}

/** What the vms of a guest ask of a tier now, each with its own seconds. */
export function liveDemands(vms: readonly LiveVm[], guest: string, tier: string): SeenDemand[] {
  const alike = vms.filter((vm) => vm.guest === guest)
  return alike.flatMap(({ demand }) =>
    demand.flatMap(({ tier: on, moments: { samples, seconds, squaredSeconds } }) => {
      if (on !== tier || samples < 2) return []
      const mean = seconds / samples
      const sigma = Math.sqrt(Math.max(0, squaredSeconds / samples - mean ** 2))
      return [{ demand: { mean, sigma, correlation: 0 }, vms: 1, seconds: samples }]
    }),
  )
}
