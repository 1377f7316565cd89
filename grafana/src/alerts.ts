import { linkTo } from './links.ts'
import { prometheus } from './others.ts'
import { bigNumber, rowsOf } from './panels.ts'
import { query, series } from './query.ts'
import { STATUS } from './style.ts'

/** How many alerts fire. */
export function alertsFiring(where: { tier?: string } = {}) {
  const firing = series(prometheus.alerts, { ...where, alertstate: 'firing' })
  return bigNumber({
    title: 'Alerts firing',
    description:
      'Alerts of kvmio’s rules that fire now. Each has a page that says what to do: prometheus/runbooks. 0 also where the rules are not loaded, see docs/dashboards.md.',
    unit: 'count',
    query: query(`count(${firing}) or vector(0)`, 'firing'),
    steps: [
      [null, STATUS.good],
      [1, STATUS.bad],
    ],
  })
}

/** Which ones. */
export function alertTable() {
  return rowsOf({
    title: 'Alerts',
    description:
      'Alerts that fire now or wait for their time, with what they are about. An alert of severity critical asks for a person now; a warning for a look today.',
    unit: 'text',
    empty: 'No alert fires or waits. Is prometheus/rules loaded?',
    labels: {
      severity: 'severity',
      alertname: 'alert',
      alertstate: 'state',
      instance: 'instance',
      tier: 'tier',
      vm: 'vm',
      device: 'device',
      study: 'study',
    },
    cellLinks: {
      tier: linkTo('tiers', ['instance', 'tier'], true),
      vm: linkTo('vm', ['instance', 'vm'], true),
      device: linkTo('device', ['instance', 'device'], true),
      study: linkTo('study', ['instance', 'study'], true),
    },
    columns: [
      {
        expr: `sum by (job, instance, alertname, alertstate, severity, tier, vm, device, study) (${series(prometheus.alerts)})`,
        unit: 'count',
      },
    ],
  })
}
