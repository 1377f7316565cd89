import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard'
import * as m from '../../src/metrics/catalog.ts'
import { DATASOURCE } from './panels.ts'
import { series } from './query.ts'

type Variable = dashboard.QueryVariableBuilder | dashboard.DatasourceVariableBuilder

/** The data source, the job and the host: what every dashboard begins with. */
export function targets(): Variable[] {
  return [
    new dashboard.DatasourceVariableBuilder('datasource').label('Data Source').type('prometheus'),
    // Of all hosts: what `series()` adds would ask the variable for itself.
    values('job', `label_values(${m.buildInfo.name}, job)`),
    values('instance', `label_values(${m.buildInfo.name}{job=~"$job"}, instance)`),
  ]
}

/** Tiers of these hosts. */
export function tier(): Variable {
  return values('tier', `label_values(${series(m.tierInfo)}, tier)`)
}

/** Devices of these hosts. */
export function device(): Variable {
  return values('device', `label_values(${series(m.deviceInfo)}, device)`)
}

/** Studies of these hosts; of a vm that kvmio did not start there is none, so that all includes an empty one. */
export function study(): Variable {
  return values('study', `label_values(${series(m.study.running)}, study)`, { all: '.*' })
}

/** Vms of the studies that are chosen. */
export function vm(single = false): Variable {
  const of = series(m.vmInfo, { study: '$study' })
  return values('vm', `label_values(${of}, vm)`, { single, all: EACH })
}

/** Drives of the vms that are chosen. */
export function drive(): Variable {
  const of = series(m.driveInfo, { vm: '$vm' })
  return values('drive', `label_values(${of}, drive)`, { all: EACH })
}

/** Phases whose durations were measured. */
export function phase(): Variable {
  const of = series(m.runLastPhaseDuration, { study: '$study' })
  return values('phase', `label_values(${of}, phase)`, { single: true, first: 'write' })
}

/** All are those that the variable before has left over, one by one. */
const EACH = ''

function values(
  name: string,
  query: string,
  { all = '.+', single = false, first }: { all?: string; single?: boolean; first?: string } = {},
): Variable {
  const variable = new dashboard.QueryVariableBuilder(name)
    .label(name)
    .datasource(DATASOURCE)
    .query({ query, refId: name })
    .definition(query)
    .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
    .sort(dashboard.VariableSort.NaturalAsc)
  if (first !== undefined) variable.current({ selected: true, text: first, value: first })
  if (single) return variable.multi(false).includeAll(false)
  if (all !== EACH) variable.allValue(all)
  return variable
    .multi(true)
    .includeAll(true)
    .current({ selected: true, text: 'All', value: '$__all' })
}
