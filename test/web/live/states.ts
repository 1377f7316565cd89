// States of a host that the live page is made from.
import type { Live } from '../../../src/web/live/parts.ts'
import type { LiveState, RunState, TierState, VmState } from '../../../src/web/live/state.ts'

/** Unix seconds: 2026-11-22 10:15:00 UTC. */
export const AT = 1_795_342_500

export function tierState(more: Partial<TierState> = {}): TierState {
  return {
    ...{ name: 'sata-7200', kind: 'filesystem', filesystem: 'ext4', device: 'loop0', found: false },
    vms: 2,
    flow: { now: 97.5, mean: 95, latency: 0.0202 },
    history: [0, null, 50, 97.5],
    capacity: 100,
    targetLatency: 0.05,
    space: { sizeBytes: 2 ** 30, freeBytes: 2 ** 29, availableBytes: 2 ** 28 },
    ...more,
  }
}

export function vmState(more: Partial<VmState> = {}): VmState {
  return {
    ...{ name: 'demo-ide-1', manager: 'kvmio', study: 'demo', case: 'ide', accelerator: 'tcg' },
    memoryBytes: 192 * 2 ** 20,
    phase: { name: 'write', startTime: AT - 65 },
    drives: [{ name: 'root', tier: 'sata-7200', bus: 'ide', format: 'raw', cache: 'none' }],
    flow: { now: 7.25, mean: 8, latency: 0.00125 },
    history: [1, 7.25],
    layers: [
      { layer: 'guest', flow: { mean: 9, latency: 0.0015 }, transactions: 12345 },
      { layer: 'qemu', flow: { now: 7.25, mean: 8, latency: 0.00125 }, transactions: 12300 },
      { layer: 'process', flow: { mean: 8 }, transactions: 12310 },
      { layer: 'device', device: 'loop0', flow: { now: 97.5, mean: 95, latency: 0.0202 } },
    ],
    ...more,
  }
}

export function runState(more: Partial<RunState> = {}): RunState {
  return {
    ...{ id: 7, study: 'demo', case: 'ide', block: 2, outcome: 'passed', vms: 2 },
    ...{ startedAt: AT - 100, endedAt: AT - 60, phases: { boot: 3.04, write: 20 } },
    ...more,
  }
}

export function liveState(more: Partial<LiveState> = {}): LiveState {
  return {
    version: '1.2.3',
    at: AT,
    tiers: [tierState()],
    vms: [vmState()],
    studies: [
      {
        name: 'demo',
        run: { id: 8, case: 'ide', block: 2, startedAt: AT - 5 },
        done: 1,
        of: 4,
        left: 90,
      },
    ],
    runs: [runState()],
    health: {
      collectors: [
        { name: 'qmp', success: true, seconds: 0.004, at: AT - 3 },
        {
          name: 'iostat',
          success: false,
          seconds: 0.1,
          at: AT,
          error: { message: 'no iostat', at: AT - 4 },
        },
        { name: 'host' },
      ],
      hanging: [],
      config: { file: '/lab/kvmio.yaml', reloaded: true, reloadedAt: AT - 1000 },
      secondAt: AT,
    },
    ...more,
  }
}

export interface FakeLive extends Live {
  /** Tells all who listen. */
  tell(state: LiveState): void
  readonly listeners: number
  readonly asked: { study?: string; limit: number }[]
}

/** A source of states that a test sets. */
export function fakeLive(state = liveState()): FakeLive {
  const listeners = new Set<(state: LiveState) => void>()
  const asked: FakeLive['asked'] = []
  return {
    state: async () => state,
    onState(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    runs(which) {
      asked.push(which)
      return [runState()]
    },
    tell(state) {
      for (const listener of listeners) listener(state)
    },
    get listeners() {
      return listeners.size
    },
    asked,
  }
}
