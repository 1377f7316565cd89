import { imageDrives } from '../../config/passthrough.ts'
import { predict } from '../../density/model.ts'
import type { Room } from '../../web/live/state.ts'
import { densityFacts } from '../density-facts.ts'
import type { Engine } from '../engine.ts'
import { liveVms } from '../live-vms.ts'

// The journal is read for it, and what it says of past runs changes with the end of a run.
const KEPT_MS = 10_000

interface Kept {
  at: number
  room?: Room
}

/** How many vms fit on each tier, of the guest that runs there; computed again in the background while somebody looks. */
export class Rooms {
  readonly #engine: Engine
  readonly #kept = new Map<string, Kept>()

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** What was last known; nothing at first, and where it is not known what a vm asks. */
  of(tier: string): Room | undefined {
    const kept = this.#kept.get(tier)
    const now = performance.now()
    if (kept && now - kept.at < KEPT_MS) return kept.room
    this.#kept.set(tier, { at: now, room: kept?.room })
    roomOn(tier, this.#engine).then(
      (room) => this.#kept.set(tier, { at: now, room }),
      (error) => this.#engine.log.debug({ err: error, tier }, 'density is not known'),
    )
    return kept?.room
  }
}

async function roomOn(tier: string, engine: Engine): Promise<Room | undefined> {
  const { options, journal, holder } = engine
  const config = holder.current
  const guest = guestOn(tier, engine)
  if (guest === undefined) return undefined
  const { procRoot, sysRoot } = options
  const live = await liveVms(engine)
  const facts = await densityFacts({ tier, guest }, { config, journal, live, procRoot, sysRoot })
  const { densities } = predict(facts)
  // What was tried says more than what was computed.
  const known = densities.filter(({ vms }) => vms !== undefined)
  const best = ['measured', 'sigma'].flatMap((name) =>
    known.filter(({ method }) => method === name),
  )
  return best[0]
}

/** The one whose vms run on the tier, else the only one of the config that has a drive there. */
function guestOn(tier: string, engine: Engine): string | undefined {
  const { tiers, guests } = engine.holder.current
  if (!Object.hasOwn(tiers, tier)) return undefined
  const running = engine.vms().flatMap(({ guest, drives }) => {
    return guest !== undefined && drives.some((drive) => drive.tier === tier) ? [guest] : []
  })
  const configured = Object.entries(guests)
    .filter(([, guest]) => imageDrives(guest).some(([, drive]) => drive.tier === tier))
    .map(([name]) => name)
  const kinds = [...new Set(running.length > 0 ? running : configured)]
  return kinds.length === 1 ? kinds[0] : undefined
}
