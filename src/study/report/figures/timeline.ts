import type { TopLevelSpec } from 'vega-lite'
import type { RunResult, Sample } from '../record.ts'
import type { Frame } from './svg.ts'

/** The runs of a case, second by second. */
export interface Timeline {
  /** The one that is drawn strong, and whose phases are marked. */
  typical: RunResult
  others: RunResult[]
}

/** The guest's last word. */
const OFF = 'off'

const HEIGHT = 130
const LANE = 14
/** Of a letter of 11 pixels; a little more than system-ui's mean. */
const LETTER = 6.4

/** Transactions of the device per second. `most` and `longest` are the same for all cases of a page, so that eyes can compare. */
export function timelineSpec(
  { typical, others }: Timeline,
  { most, longest }: { most: number; longest: number },
  { width, narrow }: Frame,
): TopLevelSpec {
  const phases = phasesOf(typical)
  const inner = width - (narrow ? 28 : 48)
  const lanes = lanesOf(phases, inner / longest, inner)
  const laneCount = Math.max(1, ...lanes.map(({ lane }) => lane + 1))
  const x = {
    field: 'second',
    type: 'quantitative' as const,
    scale: { domain: [0, longest], nice: false },
    axis: {
      title: 'Seconds since the guest began to boot',
      tickCount: narrow ? 5 : 10,
      grid: false,
    },
  }
  const y = {
    field: 'device',
    type: 'quantitative' as const,
    scale: { domain: [0, most], nice: true },
    axis: {
      title: narrow ? null : 'Transactions/s',
      tickCount: 4,
      grid: true,
      labelLimit: 40,
      minExtent: 34,
    },
  }
  const line = (run: RunResult) => ({
    data: {
      // What lies beyond is left out here: a clip path's name would be that of each figure of a page.
      values: sinceBoot(run).flatMap(({ second, device }) =>
        device === undefined || second > longest ? [] : [{ second, device }],
      ),
    },
  })
  const shown = narrow ? [] : others
  return {
    width: inner,
    height: HEIGHT,
    padding: { left: narrow ? 38 : 58, right: 22, top: laneCount * LANE + 4, bottom: 40 },
    layer: [
      {
        data: { values: phases.filter((_, index) => index % 2 === 1) },
        mark: { type: 'rect', color: 'var(--band)' },
        encoding: { x: { ...x, field: 'from' }, x2: { field: 'to' } },
      },
      ...shown.map((run) => ({
        ...line(run),
        mark: {
          type: 'line' as const,
          color: 'var(--layer-5)',
          opacity: 0.3,
          strokeWidth: 1,
        },
        encoding: { x, y },
      })),
      {
        ...line(typical),
        mark: { type: 'line', color: 'var(--layer-5)', strokeWidth: 2 },
        encoding: { x, y },
      },
      ...lanes.map((phase) => ({
        data: { values: [phase] },
        mark: {
          type: 'text' as const,
          align: 'left' as const,
          baseline: 'bottom' as const,
          y: -2 - (laneCount - 1 - phase.lane) * LANE,
          fontSize: 11,
          color: 'var(--soft)',
        },
        encoding: { x: { ...x, field: 'at' }, text: { field: 'name' } },
      })),
    ],
  }
}

interface PhaseSpan {
  name: string
  from: number
  to: number
}

/** The samples from the boot of the first vm on: what it took to make images before that differs from run to run. */
export function sinceBoot({ samples }: RunResult): Sample[] {
  const boot = samples.find(({ phase }) => phase !== undefined)?.second ?? 0
  return samples.flatMap((sample) =>
    sample.second < boot ? [] : [{ ...sample, second: sample.second - boot }],
  )
}

/** Where each phase is in a run's samples. */
function phasesOf(run: RunResult): PhaseSpan[] {
  const phases: PhaseSpan[] = []
  for (const { second, phase } of sinceBoot(run)) {
    if (phase === undefined || phase === OFF) continue
    const last = phases.at(-1)
    if (last?.name === phase) last.to = second
    else {
      if (last) last.to = second
      phases.push({ name: phase, from: second, to: second })
    }
  }
  return phases
}

/** Names stand above the beginnings of their phases, and one above the other where they would meet. */
function lanesOf(phases: readonly PhaseSpan[], pixelsPerSecond: number, right: number) {
  const ends: number[] = []
  return phases.map(({ name, from }) => {
    const width = name.length * LETTER + 4
    const left = Math.max(0, Math.min(from * pixelsPerSecond, right - width))
    const free = ends.findIndex((end) => end <= left)
    const lane = free === -1 ? ends.length : free
    ends[lane] = left + width
    return { name, lane, at: left / pixelsPerSecond }
  })
}
