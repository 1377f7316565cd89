import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard'
import * as m from '../../src/metrics/catalog.ts'
import { DATASOURCE } from './panels.ts'
import { series } from './query.ts'
import { MEANINGS } from './style.ts'

/** Marks each run from its beginning to its end. */
export function runs(where: { study?: string } = {}): dashboard.AnnotationQueryBuilder {
  return marks('Runs', series(m.runInfo, where), MEANINGS.guest!.colour)
    .titleFormat('{{study}}: {{case}}')
    .textFormat('run {{run}}, block {{block}}, on {{instance}}')
    .tagKeys('study,case')
}

/** Marks each phase of the vm. */
export function phases(where: { vm?: string }): dashboard.AnnotationQueryBuilder {
  return marks('Phases', series(m.vmPhase, where), MEANINGS.write!.colour)
    .titleFormat('{{phase}}')
    .textFormat('{{vm}} on {{instance}}')
    .tagKeys('phase')
}

function marks(name: string, expr: string, colour: string): dashboard.AnnotationQueryBuilder {
  return new dashboard.AnnotationQueryBuilder()
    .name(name)
    .datasource(DATASOURCE)
    .enable(true)
    .hide(false)
    .iconColor(colour)
    .expr(expr)
    .step('10s')
    .useValueForTime(false)
}
