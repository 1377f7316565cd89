// Queries that may be empty on this kind of host or in a study that goes well, each with its reason. No more than one in twenty.

export interface Empty {
  dashboard: string
  /** Of the panel; with one of its queries, if the others must have data. */
  panel: string
  refId?: string
  why: string
}

export const EMPTIES: readonly Empty[] = []

/** The reason why a query may be empty. */
export function reasonFor(dashboard: string, panel: string, refId: string): string | undefined {
  return EMPTIES.find(
    (one) =>
      one.dashboard === dashboard &&
      one.panel === panel &&
      (one.refId === undefined || one.refId === refId),
  )?.why
}
