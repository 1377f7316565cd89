// Queries that may be empty on this kind of host or in a study that goes well, each with its reason. No more than one in twenty.

export interface Empty {
  dashboard: string
  /** Of the panel; with one of its queries, if the others must have data. */
  panel: string
  refId?: string
  why: string
}

const ENDLESS = 'the demo study is endless: no number of runs is planned'
const NO_RAMP = 'no ramp has been made: `kvmio density TIER`'
const NO_ALERT = 'no alert fires or waits'
const CGROUP_1 = 'pressure by cgroup is of cgroup v2; this kind of host has v1'

export const EMPTIES: readonly Empty[] = [
  {
    dashboard: 'exporter',
    panel: 'Missed samples',
    why: 'the sampler has missed nothing; it counts by source from the first miss on',
  },
  { dashboard: 'fleet', panel: 'Alerts', why: NO_ALERT },
  { dashboard: 'study', panel: 'Studies', refId: 'C', why: ENDLESS },
  {
    dashboard: 'tiers',
    panel: 'Vms that fit, by constraint',
    refId: 'B',
    why: 'the appliance boots from memory: its boot asks the tier for nothing',
  },
  {
    dashboard: 'tiers',
    panel: 'Latency against target',
    refId: 'D',
    why: 'the tiers of kvmio.yaml are rated, not calibrated',
  },
  { dashboard: 'tiers', panel: 'Guests on tiers', refId: 'E', why: NO_RAMP },
  { dashboard: 'tiers', panel: 'Alerts', why: NO_ALERT },
  {
    dashboard: 'vm',
    panel: 'Guest: latency',
    refId: 'A',
    why: "the demo's guests read in their first seconds alone, which may lie before the first scrape of them",
  },
  { dashboard: 'vm', panel: 'Pressure of I/O', why: CGROUP_1 },
]

/** The reason why a query may be empty. */
export function reasonFor(dashboard: string, panel: string, refId: string): string | undefined {
  return EMPTIES.find(
    (one) =>
      one.dashboard === dashboard &&
      one.panel === panel &&
      (one.refId === undefined || one.refId === refId),
  )?.why
}
