import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard'
import { DASHBOARDS, type DashboardName, headLinks } from './links.ts'
import { visible } from './panels.ts'

/** Anything that makes a panel. */
interface PanelLike {
  build(): dashboard.Panel
}

/** Panels beside one another: they share the width that is left by those that say theirs. */
export interface Line {
  height: number
  panels: readonly (PanelLike | [panel: PanelLike, width: number])[]
}

/** A heading and the lines under it; repeated for each value of a variable. */
export interface Section {
  title: string
  repeat?: string
  lines: readonly Line[]
}

export interface Page {
  name: DashboardName
  /** Which question it answers. */
  description: string
  from?: string
  variables: readonly Parameters<dashboard.DashboardBuilder['withVariable']>[0][]
  annotations?: readonly dashboard.AnnotationQueryBuilder[]
  sections: readonly Section[]
}

const WIDTH = 24

/** A dashboard that Grafana 10 to 12 take: its schema is of 10.3, which the newer migrate by themselves. */
const SCHEMA_VERSION = 39

/** Puts the panels of a page on the grid, without a gap. */
export function build(page: Page): dashboard.Dashboard {
  const { uid, title } = DASHBOARDS[page.name]
  const builder = new dashboard.DashboardBuilder(title)
    .uid(uid)
    .description(page.description)
    .tags(['kvmio'])
    .readonly()
    .timezone('browser')
    .time({ from: page.from ?? 'now-1h', to: 'now' })
    .refresh('30s')
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .variables([...page.variables])
    .annotations((page.annotations ?? []).map(visible))
    .links(headLinks(page.name))
  let y = 0
  let id = 0
  for (const { title, repeat, lines } of page.sections) {
    const row = new dashboard.RowBuilder(title)
      .id(++id)
      .collapsed(false)
      .gridPos({ x: 0, y, w: WIDTH, h: 1 })
    builder.withRow(repeat === undefined ? row : row.repeat(repeat))
    y += 1
    for (const { height, panels } of lines) {
      let x = 0
      for (const [panel, w] of widths(panels)) {
        const placed = { ...panel.build(), id: ++id, gridPos: { x, y, w, h: height } }
        builder.withPanel({ build: () => placed })
        x += w
      }
      y += height
    }
  }
  return { ...builder.build(), schemaVersion: SCHEMA_VERSION }
}

function widths(panels: Line['panels']): [panel: PanelLike, width: number][] {
  const given = panels.map((one): [PanelLike, number] => (Array.isArray(one) ? one : [one, 0]))
  const open = given.filter(([, width]) => width === 0).length
  const left = WIDTH - given.reduce((sum, [, width]) => sum + width, 0)
  return given.map(([panel, width]) => [panel, width || left / open])
}
