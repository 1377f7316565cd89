import type { TopLevelSpec } from 'vega-lite'
import type { Frame } from './svg.ts'

/** One bar with the runs that it stands for. */
export interface Bar {
  label: string
  /** The figures in words. */
  text: string
  colour: string
  value?: number
  low?: number
  high?: number
  runs: { value: number; outlier: boolean }[]
}

const BAR = 18
const LINE = 17
const GAP = 14

/** Bars one below the other, each under its own words, so that no name is ever cut: median, interval, single runs. */
export function barsSpec(
  bars: readonly Bar[],
  { title, reference }: { title: string; reference?: number },
  { width, narrow }: Frame,
): TopLevelSpec {
  const words = narrow ? 2 * LINE : LINE
  const pitch = words + BAR + GAP
  const height = bars.length * pitch
  const rows = bars.map((bar, index) => ({ ...bar, y: index * pitch }))
  const y = (field: string) => ({
    field,
    type: 'quantitative' as const,
    scale: { domain: [0, height], range: [0, height], nice: false, zero: false },
    axis: null,
  })
  const x = {
    field: 'value',
    type: 'quantitative' as const,
    scale: { zero: true, nice: true },
    axis: { title, tickCount: narrow ? 4 : 8, grid: true },
  }
  const drawn = rows.filter(({ value }) => value !== undefined)
  return {
    width,
    height,
    padding: { left: 14, right: 24, top: 4, bottom: 40 },
    layer: [
      {
        data: {
          values: drawn.map((row) => ({
            ...row,
            from: row.y + words,
            to: row.y + words + BAR,
            zero: 0,
          })),
        },
        mark: { type: 'rect', opacity: 0.75 },
        encoding: {
          x,
          x2: { field: 'zero' },
          y: y('from'),
          y2: { field: 'to' },
          color: { field: 'colour', type: 'nominal', scale: null },
        },
      },
      ...(reference === undefined
        ? []
        : [
            {
              data: {
                values: rows.map(({ y }) => ({
                  value: reference,
                  top: y + words - 3,
                  bottom: y + words + BAR + 3,
                })),
              },
              mark: { type: 'rule' as const, strokeDash: [4, 3], color: 'var(--soft)' },
              encoding: { x, y: y('top'), y2: { field: 'bottom' } },
            },
          ]),
      {
        data: {
          values: rows.flatMap(({ runs, y }) =>
            runs.map(({ value, outlier }, index) => ({
              value,
              y: y + words + BAR / 2 + ((index % 7) - 3) * 2.2,
              shape: outlier ? 'diamond' : 'circle',
              size: outlier ? 50 : 16,
            })),
          ),
        },
        mark: { type: 'point', filled: true, opacity: 0.6, color: 'var(--text)' },
        encoding: {
          x,
          y: y('y'),
          shape: { field: 'shape', type: 'nominal', scale: null },
          size: { field: 'size', type: 'quantitative', scale: null },
        },
      },
      ...intervalLayers(drawn, words, x, y),
      {
        data: { values: rows.map(({ label, y }) => ({ label, y: y + 12 })) },
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
      {
        data: { values: rows.map(({ text, y }) => ({ text, y: y + (narrow ? 12 + LINE : 12) })) },
        mark: {
          type: 'text',
          align: narrow ? 'left' : 'right',
          x: narrow ? 0 : width,
          color: 'var(--soft)',
          baseline: 'alphabetic',
        },
        encoding: { y: y('y'), text: { field: 'text' } },
      },
    ],
  }
}

type Encoding = { field: string; type: 'quantitative' }

function intervalLayers(
  rows: readonly (Bar & { y: number })[],
  words: number,
  x: Encoding,
  y: (field: string) => Encoding,
) {
  const values = rows.flatMap(({ low, high, y }) => {
    const middle = y + words + BAR / 2
    return low === undefined || high === undefined
      ? []
      : [{ low, high, y: middle, from: middle - 5, to: middle + 5 }]
  })
  if (values.length === 0) return []
  const rule = { type: 'rule' as const, strokeWidth: 2, color: 'var(--interval)' }
  return [
    {
      data: { values },
      mark: rule,
      encoding: { x: { ...x, field: 'low' }, x2: { field: 'high' }, y: y('y') },
    },
    ...['low', 'high'].map((end) => ({
      data: { values },
      mark: rule,
      encoding: { x: { ...x, field: end }, y: y('from'), y2: { field: 'to' } },
    })),
  ]
}
