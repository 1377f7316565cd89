import type { TopLevelSpec } from 'vega-lite'
import type { LayerFigures } from '../layers.ts'
import { LAYERS } from '../record.ts'
import type { Frame } from './svg.ts'

const BAR = 12
const PITCH = 15
const LINE = 18
const GAP = 12
const NAMES = 56

/** Operations at each layer, from the guest down to the device, case by case. */
export function layersSpec(cases: readonly LayerFigures[], { width, narrow }: Frame): TopLevelSpec {
  let top = 0
  const titles: { label: string; y: number }[] = []
  const bars = cases.flatMap((figures) => {
    titles.push({ label: figures.case, y: top + 12 })
    top += LINE
    const rows = LAYERS.flatMap((layer, index) => {
      const value = figures.operations[layer]
      if (value === undefined) return []
      const from = top
      top += PITCH
      return [
        {
          layer,
          value,
          zero: 0,
          from,
          to: from + BAR,
          middle: from + BAR / 2,
          text: Math.round(value).toLocaleString('en-US'),
          colour: `var(--layer-${index + 1})`,
        },
      ]
    })
    top += GAP
    return rows
  })
  const height = Math.max(top, PITCH)
  const most = Math.max(1, ...bars.map(({ value }) => value))
  const y = (field: string) => ({
    field,
    type: 'quantitative' as const,
    scale: { domain: [0, height], range: [0, height], nice: false, zero: false },
    axis: null,
  })
  const x = {
    field: 'value',
    type: 'quantitative' as const,
    // Room for the figure behind the longest bar.
    scale: { domain: [0, most * (narrow ? 1.25 : 1.1)], range: [NAMES, width], nice: false },
    axis: { title: 'Reads and writes of a run, median', tickCount: narrow ? 3 : 7, grid: true },
  }
  return {
    width,
    height,
    padding: { left: 14, right: 18, top: 4, bottom: 40 },
    layer: [
      {
        data: { values: bars },
        mark: { type: 'rect', opacity: 0.85 },
        encoding: {
          x,
          x2: { field: 'zero' },
          y: y('from'),
          y2: { field: 'to' },
          color: { field: 'colour', type: 'nominal', scale: null },
        },
      },
      {
        data: { values: bars },
        mark: {
          type: 'text',
          align: 'left',
          baseline: 'middle',
          dx: 5,
          fontSize: 11,
          color: 'var(--soft)',
        },
        encoding: { x, y: y('middle'), text: { field: 'text' } },
      },
      {
        data: { values: bars },
        mark: {
          type: 'text',
          align: 'left',
          baseline: 'middle',
          x: 0,
          fontSize: 11,
          color: 'var(--soft)',
        },
        encoding: { y: y('middle'), text: { field: 'layer' } },
      },
      {
        data: { values: titles },
        mark: {
          type: 'text',
          align: 'left',
          x: 0,
          fontWeight: 600,
          fontSize: narrow ? 11 : 12,
          baseline: 'alphabetic',
        },
        encoding: { y: y('y'), text: { field: 'label' } },
      },
    ],
  }
}
