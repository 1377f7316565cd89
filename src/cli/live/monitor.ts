import { setTimeout as sleep } from 'node:timers/promises'
import type { KnownVm, Tier, Vm } from '../../attribution/records.ts'
import { lastRuns } from '../../journal/last-runs.ts'
import type { Live } from '../../web/live/parts.ts'
import type {
  DriveState,
  LayerState,
  LiveState,
  Room,
  RunState,
  TierState,
  VmState,
} from '../../web/live/state.ts'
import type { Engine } from '../engine.ts'
import type { Collect } from '../page.ts'
import { version } from '../version.ts'
import { LiveHistory } from './history.ts'
import type { ScrapeMemory } from './scrapes.ts'
import { LiveStudies } from './studies.ts'

export interface MonitorParts {
  collect: Collect
  scrapes: ScrapeMemory
  /** Why kvmio is not ready yet; undefined when it is. */
  ready(): string | undefined
  /** How many vms fit on a tier, as far as that is known. */
  room(tier: string): Room | undefined
  /** Unix seconds. */
  now?(): number
}

// Prometheus asks each 15 s or so; without it, somebody who looks is what the collectors run for.
const SCRAPE_AGE_S = 15
const SCRAPE_TIMEOUT_MS = 5_000
// A collector that hangs costs its own verdict, not the page.
const SCRAPE_WAIT_MS = 1_000
const SHOWN_RUNS = 10
const BY_NAME = new Intl.Collator('en', { numeric: true })
// What takes longer is not only slow.
const HANGS_MS = 3_000

/** Gathers what the live page shows. The last minute is always kept; all else is looked up when somebody looks. */
export class Monitor implements Live {
  readonly #engine: Engine
  readonly #parts: MonitorParts
  readonly #history = new LiveHistory()
  readonly #studies: LiveStudies
  readonly #listeners = new Set<(state: LiveState) => void>()
  readonly #unsubscribe: (() => void)[]
  #secondAt: number | undefined
  #scrape: Promise<unknown> | undefined

  constructor(engine: Engine, parts: MonitorParts) {
    this.#engine = engine
    this.#parts = parts
    this.#studies = new LiveStudies(() => this.#now())
    this.#unsubscribe = [
      engine.onEvent((event) => this.#studies.take(event)),
      engine.onSecond((second) => {
        this.#secondAt = this.#now()
        this.#history.take(second, engine.vms())
        try {
          this.#tell()
        } catch (error) {
          engine.log.error({ err: error }, 'the live page was not told') // the sampler goes on
        }
      }),
    ]
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    this.#listeners.clear()
  }

  async state(): Promise<LiveState> {
    const enough = new AbortController()
    const limit = sleep(SCRAPE_WAIT_MS, undefined, enough).catch(() => {})
    await Promise.race([this.#refresh(), limit])
    enough.abort()
    return this.#state()
  }

  onState(listener: (state: LiveState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  runs(which: { study?: string; limit: number }): RunState[] {
    return lastRuns(this.#engine.journal, which)
  }

  #tell(): void {
    if (this.#listeners.size === 0) return
    void this.#refresh()
    const state = this.#state()
    for (const listener of this.#listeners) listener(state)
  }

  /** Runs the collectors where nobody else has in the last seconds. */
  #refresh(): Promise<unknown> {
    const { collect, scrapes } = this.#parts
    const { oldest } = scrapes
    if (oldest !== undefined && this.#now() - oldest < SCRAPE_AGE_S) return Promise.resolve()
    this.#scrape ??= collect({ collect: [], exclude: [], timeoutMs: SCRAPE_TIMEOUT_MS })
      .catch((error) => this.#engine.log.debug({ err: error }, 'a scrape for the live page failed'))
      .finally(() => {
        this.#scrape = undefined
      })
    return this.#scrape
  }

  #state(): LiveState {
    const { holder, guard, log } = this.#engine
    const running = new Map(this.#engine.vms().map((vm) => [vm.name, vm]))
    const known = this.#engine
      .knownVms()
      .filter(({ name }) => running.has(name))
      .sort((a, b) => BY_NAME.compare(a.name, b.name))
    const at = this.#now()
    let runs: RunState[] = []
    try {
      runs = this.runs({ limit: SHOWN_RUNS })
    } catch (error) {
      log.debug({ err: error }, 'the live page has no runs') // the journal is closed last
    }
    return {
      version,
      at,
      notReady: this.#parts.ready(),
      tiers: this.#engine.tiers().map((tier) => this.#tier(tier, [...running.values()])),
      vms: known.map((vm) => this.#vm(vm, running.get(vm.name)!)),
      studies: this.#studies.of(this.#engine.activeStudies()),
      runs,
      health: {
        collectors: this.#parts.scrapes.collectors,
        hanging: guard.hanging(HANGS_MS),
        config: {
          file: holder.current.file,
          reloaded: holder.lastReloadSuccessful,
          reloadedAt: holder.lastReloadTime,
        },
        secondAt: this.#secondAt,
      },
    }
  }

  #tier(tier: Tier, vms: readonly Vm[]): TierState {
    const { name, kind, filesystem, device, directory, target, unavailable } = tier
    const track = device === undefined ? undefined : this.#history.device(device)
    return {
      name,
      kind,
      filesystem,
      place: target ?? directory,
      device,
      found: tier.found ?? false,
      unavailable,
      vms: vms.filter(({ drives }) => drives.some((drive) => drive.tier === name)).length,
      flow: track?.flow ?? {},
      history: track?.history ?? [],
      ...capacityState(tier),
      targetLatency: tier.targetLatency,
      room: this.#parts.room(name),
      space: this.#parts.scrapes.space(name),
    }
  }

  #vm({ name, manager, study, case: caseName, accelerator, phase }: KnownVm, vm: Vm): VmState {
    const tracks = this.#history.vm(name)
    return {
      name,
      manager,
      study,
      case: caseName,
      accelerator,
      memoryBytes: vm.memoryBytes,
      phase,
      drives: [
        ...vm.drives.map(driveState),
        ...(vm.passthrough ?? []).map(({ name, pci }) => ({ ...PASSED, name, pci })),
      ],
      flow: tracks?.qemu.flow ?? {},
      history: tracks?.qemu.history ?? [],
      layers: this.#layers(vm),
    }
  }

  /** Those of which anything is known. */
  #layers(vm: Vm): LayerState[] {
    const tracks = this.#history.vm(vm.name)
    const tiers = new Set(vm.drives.map(({ tier }) => tier))
    const devices = this.#engine.tiers().flatMap(({ name, device }) => {
      const track = device === undefined ? undefined : this.#history.device(device)
      return tiers.has(name) && track ? [[device, track.flow] as const] : []
    })
    const own = [
      { layer: 'guest', track: tracks?.guest },
      { layer: 'qemu', track: tracks?.qemu },
      { layer: 'process', track: tracks?.group },
    ] as const
    return [
      ...own.flatMap(({ layer, track }) =>
        track?.total === undefined ? [] : [{ layer, flow: track.flow, transactions: track.total }],
      ),
      ...[...new Map(devices)].map(
        ([device, flow]): LayerState => ({ layer: 'device', device, flow }),
      ),
    ]
  }

  #now(): number {
    return this.#parts.now?.() ?? Date.now() / 1000
  }
}

/** A rating is a person's word; what vms write is most like random writes. */
function capacityState({
  ratedTransactionsPerSecond: rated,
  calibration,
}: Tier): Pick<TierState, 'capacity' | 'capacitySource' | 'calibration'> {
  const writes = calibration?.classes.find((of) => of.class === 'random-write')?.capacity
  const capacity = rated ?? writes
  return {
    ...(capacity !== undefined && {
      capacity,
      capacitySource: rated === undefined ? 'calibrated' : 'rated',
    }),
    ...(calibration && {
      calibration: {
        endedAt: calibration.endedAt,
        classes: calibration.classes.map((of) => ({
          class: of.class,
          capacity: of.capacity,
          peak: of.peak,
        })),
      },
    }),
  }
}

/** Of a controller that the guest has for itself. */
const PASSED = { tier: '', bus: 'passthrough', format: '', cache: '' }

function driveState({ name, tier, bus, format, cache }: Vm['drives'][number]): DriveState {
  return { name, tier, bus, format, cache }
}
