import { formatBytes } from '../lib/quantities.ts'
import type { Status } from '../web/landing-page.ts'
import type { Engine } from './engine.ts'

const PAUSED = { request: 'is paused', space: 'is paused: too little space' }

/** The state of things as tables for people. */
export function statusOf(engine: Engine): Status {
  return {
    Tiers: engine.tiers().map(({ name, kind, filesystem, device, directory, unavailable }) => ({
      tier: name,
      kind,
      filesystem: filesystem ?? '',
      device: device ?? '',
      state: unavailable === undefined ? (directory ?? '') : `unavailable: ${unavailable}`,
    })),
    Studies: engine.activeStudies().map(({ name, run, paused, progress }) => ({
      study: name,
      now: run
        ? `${run.case} (block ${run.block}, run ${run.id})`
        : paused === undefined
          ? 'rests'
          : PAUSED[paused],
      progress: progress ? `${progress.done} of ${progress.of} runs` : '',
    })),
    Vms: engine.registry.running().map(({ plan, record, phase }) => ({
      vm: plan.name,
      phase: phase?.name ?? 'starting',
      accelerator: plan.accelerator,
      memory: formatBytes(plan.memoryBytes),
      drives: record.drives
        .map(({ name, bus, format, tier }) => `${name}: ${bus}, ${format}, ${tier}`)
        .join('; '),
    })),
    ...foundVms(engine),
  }
}

/** A table of its own: of these there is no phase, and most hosts have none. */
function foundVms({ discovery }: Engine): Status {
  const vms = discovery.vms()
  if (vms.length === 0) return {}
  return {
    'Vms that were found': vms.map(({ name, manager, accelerator, memoryBytes, drives }) => ({
      vm: name,
      manager,
      accelerator,
      memory: memoryBytes === undefined ? '' : formatBytes(memoryBytes),
      drives: drives.map(({ name, bus, tier }) => `${name}: ${bus}, ${tier}`).join('; '),
    })),
  }
}
