import * as bargauge from '@grafana/grafana-foundation-sdk/bargauge'
import * as common from '@grafana/grafana-foundation-sdk/common'
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard'
import * as heatmap from '@grafana/grafana-foundation-sdk/heatmap'
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus'
import * as stat from '@grafana/grafana-foundation-sdk/stat'
import * as statetimeline from '@grafana/grafana-foundation-sdk/statetimeline'
import * as table from '@grafana/grafana-foundation-sdk/table'
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries'
import type { Query } from './query.ts'
import { MEANINGS, meaningOf, PHASES, STATUS, UNITS, type Unit } from './style.ts'

/** The data source that the variable `datasource` chooses. */
export const DATASOURCE = { type: 'prometheus', uid: '$datasource' }

/** What every panel has. */
interface Words {
  title: string
  /** What it means, and when to worry. */
  description: string
  unit: Unit
  /** Shown where there is nothing: why, and what to do. */
  empty?: string
  decimals?: number
  max?: number
  links?: readonly Link[]
}

/** A link of a value to another dashboard. */
export interface Link {
  title: string
  url: string
}

/** From this value on; the first has none. */
export type Step = [from: number | null, colour: string]

type Builder =
  | bargauge.PanelBuilder
  | heatmap.PanelBuilder
  | stat.PanelBuilder
  | statetimeline.PanelBuilder
  | table.PanelBuilder
  | timeseries.PanelBuilder

/** Lines, or areas upon one another, over time. */
export function timeSeries(
  words: Words & { queries: readonly Query[]; stacked?: boolean; steps?: readonly Step[] },
): timeseries.PanelBuilder {
  const { queries, stacked = false, steps } = words
  const panel = new timeseries.PanelBuilder()
    .min(0)
    .lineWidth(1)
    .fillOpacity(stacked ? 60 : 8)
    .showPoints(common.VisibilityMode.Auto)
    .spanNulls(false)
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.Table)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true)
        .calcs(['lastNotNull', 'mean', 'max']),
    )
    .tooltip(
      new common.VizTooltipOptionsBuilder()
        .mode(common.TooltipDisplayMode.Multi)
        .sort(common.SortOrder.Descending),
    )
  if (stacked)
    panel.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal).group('A'))
  if (steps)
    panel
      .thresholds(thresholds(steps))
      .thresholdsStyle(
        new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed),
      )
  return finish(panel, words, queries)
}

/** One big number, or the name of its series. */
export function bigNumber(
  words: Words & {
    query: Query
    steps?: readonly Step[]
    shows?: 'value' | 'name' | 'both'
    mappings?: readonly dashboard.ValueMapping[]
  },
): stat.PanelBuilder {
  const { query, steps = [[null, STATUS.none]], shows = 'value', mappings = [] } = words
  const modes = {
    value: common.BigValueTextMode.Value,
    name: common.BigValueTextMode.Name,
    both: common.BigValueTextMode.ValueAndName,
  }
  const panel = new stat.PanelBuilder()
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .graphMode(common.BigValueGraphMode.None)
    .colorMode(common.BigValueColorMode.Value)
    .textMode(modes[shows])
    .thresholds(thresholds(steps))
    .mappings([...mappings])
  return finish(panel, words, [query], { instant: true })
}

/** A bar for each series, to compare them. */
export function bars(
  words: Words & { queries: readonly Query[]; steps?: readonly Step[] },
): bargauge.PanelBuilder {
  const { queries, steps = [[null, MEANINGS.qemu!.colour]] } = words
  const panel = new bargauge.PanelBuilder()
    .min(0)
    .displayMode(common.BarGaugeDisplayMode.Basic)
    .orientation(common.VizOrientation.Horizontal)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .showUnfilled(true)
    .thresholds(thresholds(steps))
  return finish(panel, words, queries, { instant: true })
}

/** How the buckets of a histogram fill over time. */
export function distribution(words: Words & { buckets: string }): heatmap.PanelBuilder {
  const { buckets, unit } = words
  const panel = new heatmap.PanelBuilder()
    .calculate(false)
    .color(
      new heatmap.HeatmapColorOptionsBuilder()
        .mode(heatmap.HeatmapColorMode.Scheme)
        .scheme('Oranges')
        .fill('dark-orange')
        .scale(heatmap.HeatmapColorScale.Exponential)
        .exponent(0.5)
        .steps(64)
        .reverse(false),
    )
    .yAxis(new heatmap.YAxisConfigBuilder().unit(UNITS[unit]))
    .tooltip(
      new heatmap.HeatmapTooltipBuilder().mode(common.TooltipDisplayMode.Single).yHistogram(true),
    )
  return finish(panel, words, [{ expr: buckets, legend: '{{le}}' }], {
    format: PromQueryFormat.Heatmap,
  })
}

/** One line for each series, with the phase that it is in; what is no phase of kvmio's own is `other`. */
export function phaseTimeline(
  words: Omit<Words, 'unit'> & { query: Query },
): statetimeline.PanelBuilder {
  const options = Object.fromEntries(
    [...PHASES, { text: 'other', colour: STATUS.none }].map(({ text, colour }, index) => [
      String(index + 1),
      { text, color: colour, index },
    ]),
  )
  const panel = new statetimeline.PanelBuilder()
    .mergeValues(true)
    .showValue(common.VisibilityMode.Auto)
    .rowHeight(0.85)
    .lineWidth(0)
    .fillOpacity(80)
    .mappings([{ type: dashboard.MappingType.ValueToText, options }])
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true)
        .calcs([]),
    )
  return finish(panel, { ...words, unit: 'count' }, [words.query])
}

/** A column of a table: the value of a query, by the table's labels. */
export interface Column {
  /** Its heading; without one it is not shown, where the labels are all that matters. */
  name?: string
  expr: string
  unit: Unit
  decimals?: number
  steps?: readonly Step[]
}

/** A row for each set of labels. */
export function rowsOf(
  words: Words & {
    /** The columns that are labels, in order, and their headings where they are others. */
    labels: Readonly<Record<string, string>>
    columns: readonly Column[]
    /** The heading that rows are sorted by, the highest first. */
    sortBy?: string
    /** Labels whose cells lead on. */
    cellLinks?: Readonly<Record<string, Link>>
  },
): table.PanelBuilder {
  const { columns, labels, sortBy, cellLinks = {} } = words
  // Grafana calls the value of a query `Value #A`, and `Value` where the panel has but one.
  const columnOf = (index: number) => (columns.length === 1 ? 'Value' : `Value #${refId(index)}`)
  const headings = [...Object.keys(labels), ...columns.map((_, index) => columnOf(index))]
  const named = columns.flatMap(({ name }, index) => (name ? [[columnOf(index), name]] : []))
  const unnamed = columns.flatMap(({ name }, index) => (name ? [] : [[columnOf(index), true]]))
  const panel = new table.PanelBuilder()
    .showHeader(true)
    .filterable(true)
    .withTransformation({ id: 'merge', options: {} })
    .withTransformation({
      id: 'organize',
      options: {
        excludeByName: { Time: true, job: true, ...Object.fromEntries(unnamed) },
        indexByName: Object.fromEntries(headings.map((heading, index) => [heading, index])),
        renameByName: {
          ...labels,
          ...Object.fromEntries(named),
        },
      },
    })
  if (sortBy !== undefined)
    panel.sortBy([new common.TableSortByFieldStateBuilder().displayName(sortBy).desc(true)])
  for (const { name, unit, decimals, steps } of columns) {
    if (name === undefined) continue
    panel.overrideByName(name, [
      { id: 'unit', value: UNITS[unit] },
      { id: 'noValue', value: '–' },
      ...(decimals === undefined ? [] : [{ id: 'decimals', value: decimals }]),
      ...(steps === undefined
        ? []
        : [
            { id: 'thresholds', value: thresholds(steps).build() },
            { id: 'custom.cellOptions', value: { type: 'color-text' } },
          ]),
    ])
  }
  for (const [label, link] of Object.entries(cellLinks))
    panel.overrideByName(labels[label]!, [
      { id: 'links', value: [{ ...link, targetBlank: false }] },
    ])
  const queries = columns.map(({ expr }) => ({ expr, legend: '' }))
  return finish(panel, words, queries, { instant: true, format: PromQueryFormat.Table })
}

/** Grafana names the queries of a panel A, B, C. */
function refId(index: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + index)
}

function finish<P extends Builder>(
  panel: P,
  words: Words,
  queries: readonly Query[],
  how: { instant?: boolean; format?: PromQueryFormat } = {},
): P {
  const { title, description, unit, empty, decimals, max, links = [] } = words
  panel.title(title).description(description).datasource(DATASOURCE).unit(UNITS[unit])
  panel.noValue(empty ?? 'No data in this time range')
  if (decimals !== undefined) panel.decimals(decimals)
  if (max !== undefined) panel.max(max)
  if (links.length > 0) {
    panel.dataLinks(
      links.map(({ title, url }) => visible(new dashboard.DashboardLinkBuilder(title).url(url))),
    )
  }
  for (const [index, { expr, legend }] of queries.entries()) {
    const target = new DataqueryBuilder()
      .refId(refId(index))
      .datasource(DATASOURCE)
      .expr(expr)
      .format(how.format ?? PromQueryFormat.TimeSeries)
    if (legend !== '') target.legendFormat(legend)
    panel.withTarget(how.instant ? target.instant() : target.range())
    colour(panel, index, legend)
  }
  return panel
}

/** Left where it always was: what the SDK gives by default, newer Grafanas put into a menu. */
export function visible<T extends { placement?: unknown }>(builder: {
  build(): T
}): {
  build(): T
} {
  return {
    build() {
      const built = { ...builder.build() }
      delete built.placement
      return built
    },
  }
}

/** Gives the series of a query the colour of the word in their legend. */
function colour(panel: Builder, index: number, legend: string): void {
  const meaning = meaningOf(legend)
  if (meaning === undefined) return
  const { colour, dashed } = MEANINGS[meaning]!
  panel.overrideByQuery(refId(index), [
    { id: 'color', value: { mode: 'fixed', fixedColor: colour } },
    ...(dashed
      ? [
          { id: 'custom.lineStyle', value: { fill: 'dash', dash: [10, 10] } },
          { id: 'custom.fillOpacity', value: 0 },
          { id: 'custom.stacking', value: { mode: 'none', group: 'A' } },
        ]
      : []),
  ])
}

function thresholds(steps: readonly Step[]): dashboard.ThresholdsConfigBuilder {
  return new dashboard.ThresholdsConfigBuilder()
    .mode(dashboard.ThresholdsMode.Absolute)
    .steps(steps.map(([value, color]) => ({ value, color })))
}
