import { carefulService, mixOf, tierService } from '../density/cost.ts'
import { vmMemory } from '../density/memory.ts'
import { predict } from '../density/model.ts'
import type { Learned, PredictedDensity } from '../study/ramp/event.ts'
import type { RampTask } from '../study/ramp/task.ts'
import { densityFacts } from './density-facts.ts'
import type { Engine } from './engine.ts'

/** How many vms of a ramp fit, by what was learnt from a few of them, and by what was known before where that tells nothing. */
export async function predictRamp(
  { tier, guest, settings }: Omit<RampTask, 'predict'>,
  { demand, operations, memory }: Learned,
  engine: Engine,
): Promise<readonly PredictedDensity[]> {
  const { options, journal, holder } = engine
  const ask = { tier, guest: guest.name, target: settings.target }
  const { procRoot, sysRoot } = options
  const facts = await densityFacts(ask, { config: holder.current, journal, procRoot, sysRoot })
  const { capacity } = facts
  const service =
    (operations && tierService(capacity, mixOf(operations))) ?? carefulService(capacity)
  const each = vmMemory({
    configuredBytes: guest.config.memory,
    statedBytes: guest.config.demand?.memory,
    takenBytes: memory,
  })
  const { densities } = predict({
    ...facts,
    ...(demand && { demand }),
    ...(service && { service }),
    ...(facts.memory && { memory: { ...facts.memory, each } }),
    measured: undefined,
    running: 0,
  })
  return densities.flatMap(({ method, vms, bound }) =>
    method === 'measured' ? [] : [{ method, vms, bound }],
  )
}
