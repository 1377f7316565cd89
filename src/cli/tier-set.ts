import type { Tier } from '../attribution/records.ts'
import type { ConfigHolder } from '../config/watch.ts'
import type { Journal } from '../journal/journal.ts'
import type { Log } from '../lib/log.ts'
import { Serial } from '../lib/serial.ts'
import { type OpenTier, openTier } from '../storage/tiers.ts'
import { capacityAtTarget } from '../study/calibration/evaluate.ts'
import { calibrationInForce } from '../study/calibration/in-force.ts'
import { armDevice, type Cgroups } from './cgroups.ts'
import type { ServeOptions } from './options.ts'

export interface TierSetContext {
  options: Pick<ServeOptions, 'procRoot' | 'sysRoot'>
  holder: ConfigHolder
  journal: Journal
  cgroups: Cgroups
  log: Log
}

/** The tiers of the config, with what they were rated and calibrated at. */
export class TierSet {
  readonly #context: TierSetContext
  readonly #tiers = new Map<string, OpenTier>()
  readonly #opening = new Serial()

  constructor(context: TierSetContext) {
    this.#context = context
  }

  get(name: string): OpenTier | undefined {
    return this.#tiers.get(name)
  }

  all(): OpenTier[] {
    return [...this.#tiers.values()]
  }

  records(): Tier[] {
    return this.all().map(({ tier }) => tier)
  }

  /** Opens those of the config. One that cannot be opened is there all the same, unavailable. */
  async open(): Promise<void> {
    const { tiers } = this.#context.holder.current
    await Promise.all(Object.keys(tiers).map((name) => this.#openTier(name)))
  }

  /** Opens those that a reloaded config has added, and takes over the figures of the others. */
  takeOver(): Promise<void> {
    return this.#opening.run(async () => {
      for (const [name, config] of Object.entries(this.#context.holder.current.tiers)) {
        const open = this.#tiers.get(name)
        if (!open) {
          await this.#openTier(name)
          continue
        }
        open.tier.targetLatency = config.target?.latency
        open.tier.ratedTransactionsPerSecond = config.capacity?.transactionsPerSecond
        this.takeCalibration(open)
      }
    })
  }

  /** Takes over what the journal has of the tier as it is now. */
  takeCalibration({ tier, config }: OpenTier): void {
    const inForce = calibrationInForce(this.#context.journal, tier.name, config)
    tier.calibration = inForce && {
      endedAt: inForce.endedAt,
      classes: inForce.classes.map((of) => ({
        ...of,
        capacity: capacityAtTarget(of, tier.targetLatency),
      })),
    }
  }

  /** Says where a tier is, and has its device counted by cgroup. */
  async announce(tier: Tier): Promise<void> {
    const { options, cgroups, log } = this.#context
    const { name, target, directory, filesystem, device, found } = tier
    const place = target ?? `${directory} on ${filesystem}`
    const how = found ? ', found' : ''
    log.info(`tier ${name}: ${place}${device ? `, device ${device}` : ''}${how}`)
    if (device === undefined) return
    await armDevice(cgroups, options, device).catch((error) =>
      log.warn({ tier: name, err: error }, 'cgroups may not count I/O on this tier'),
    )
  }

  async close(): Promise<void> {
    const { log } = this.#context
    for (const open of this.#tiers.values()) {
      await open
        .close()
        .catch((error) => log.error({ tier: open.tier.name, err: error }, 'tier not closed'))
    }
  }

  async #openTier(name: string): Promise<void> {
    const { options, holder, cgroups, log } = this.#context
    const { state, tiers } = holder.current
    const { hierarchy, own } = cgroups
    const open = await openTier(name, tiers[name]!, {
      stateDir: state,
      procRoot: options.procRoot,
      sysRoot: options.sysRoot,
      log,
      cgroups: hierarchy && own !== undefined ? { hierarchy, parent: own } : undefined,
    })
    this.#tiers.set(name, open)
    this.takeCalibration(open)
    const { tier } = open
    if (tier.unavailable === undefined) await this.announce(tier)
    else log.warn(`tier ${name} is unavailable: ${tier.unavailable}`)
  }
}
