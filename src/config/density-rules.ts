import { inside, type Problem } from './problems.ts'
import type { Readable, ReadableConfig } from './readable.ts'
import type { GuestConfig } from './schema.ts'

/** What is wrong with the demands of guests beyond single keys. */
export function demandProblems(config: ReadableConfig): Problem[] {
  return Object.entries(config.guests ?? {}).flatMap(([name, guest]) =>
    inside(['guests', name, 'demand'], one(guest?.demand)),
  )
}

function one(demand: Readable<NonNullable<GuestConfig['demand']>> | undefined): Problem[] {
  if (!demand || !('transactionsPerSecond' in demand && 'deviceTime' in demand)) return []
  const message = 'expected transactionsPerSecond or deviceTime, got both'
  return [{ path: ['deviceTime'], at: 'key', message }]
}
