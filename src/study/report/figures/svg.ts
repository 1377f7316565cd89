import { parse, View } from 'vega'
import { type Config, compile, type TopLevelSpec } from 'vega-lite'
import { Html, html } from '../../../lib/html.ts'

/** A figure in pixels, at the size at which its texts are read. */
export interface Frame {
  width: number
  narrow: boolean
}

const FRAMES: readonly Frame[] = [
  { width: 720, narrow: false },
  { width: 330, narrow: true },
]

// Colours are the page's, so that one drawing serves a light and a dark one.
const CONFIG: Config = {
  background: 'transparent',
  // Without a canvas vega overestimates the width of a text, and a drawing would grow by it.
  autosize: 'none',
  font: 'system-ui, sans-serif',
  view: { stroke: null },
  axis: {
    domain: false,
    gridColor: 'var(--grid)',
    labelColor: 'var(--soft)',
    tickColor: 'var(--grid)',
    titleColor: 'var(--soft)',
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: 'normal',
  },
  text: { color: 'var(--text)', fontSize: 12 },
}

/** A figure as SVG, drawn once for a page's width and once for a phone's; the page's style shows one of them. */
export async function drawFigure(
  label: string,
  spec: (frame: Frame) => TopLevelSpec,
): Promise<Html> {
  const drawings = await Promise.all(
    FRAMES.map(async (frame) => {
      const svg = await renderSvg(spec(frame))
      const name = frame.narrow ? 'narrow' : 'wide'
      const { text } = html`class="${name}" role="img" aria-label="${label}"`
      return svg.replace('class="marks"', () => text)
    }),
  )
  return new Html(drawings.join('\n'))
}

/** Nothing is loaded: the data stands in the specification. */
async function renderSvg(spec: TopLevelSpec): Promise<string> {
  const { spec: compiled } = compile(spec, { config: CONFIG })
  const view = new View(parse(compiled), { renderer: 'none' })
  const svg = await view.toSVG()
  view.finalize()
  return svg.replace(/ (?:d|transform)="[^"]*"/g, rounded)
}

/** To hundredths of a pixel: a line of hundreds of points is most of a figure. */
function rounded(attribute: string): string {
  return attribute.replace(/-?\d+\.\d{3,}/g, (figure) =>
    String(Math.round(Number(figure) * 100) / 100),
  )
}
