import type { Analysis } from './analysis.ts'
import { MEASURE_NAMES, measure } from './measures.ts'
import { LAYERS, type StudyResults } from './record.ts'

type Cell = string | number | undefined

const COUNTS = ['reads', 'writes', 'flushes', 'readBytes', 'writtenBytes'] as const

/** One row a run, with all that a median is taken of: RFC 4180. What is not known is empty. */
export function runsCsv(study: StudyResults): string {
  const factors = [...new Set(study.cases.flatMap(({ factors }) => Object.keys(factors)))]
  const phases = [...new Set(study.runs.flatMap(({ phases }) => phases.map(({ name }) => name)))]
  const head = [
    ...['study', 'run', 'block', 'case', 'outcome', 'reason', 'started_at', 'seconds'],
    ...['tier', 'accelerator', 'durable'],
    ...factors.map((name) => `factor_${name}`),
    ...phases.map((name) => `phase_${name}_seconds`),
    ...MEASURE_NAMES.map((name) => `measure_${name}`),
    ...LAYERS.flatMap((layer) => COUNTS.map((count) => `${layer}_${count}`)),
  ]
  const rows = study.runs.map((run): Cell[] => {
    const facts = study.cases.find(({ name }) => name === run.case)
    return [
      study.name,
      run.id,
      run.block,
      run.case,
      run.outcome,
      run.reason,
      run.startedAt,
      run.seconds,
      facts?.tier,
      facts?.accelerator,
      facts && String(facts.notDurable === undefined),
      ...factors.map((name) => facts?.factors[name]),
      ...phases.map((name) => measure(name).of(run)),
      ...MEASURE_NAMES.map((name) => measure(name).of(run)),
      ...LAYERS.flatMap((layer) => COUNTS.map((count) => run.layers[layer]?.[count])),
    ]
  })
  return csv([head, ...rows])
}

/** One row for each case and measure: what the report says of it. */
export function casesCsv({ study, measures }: Analysis): string {
  const head = [
    ...[
      'study',
      'measure',
      'unit',
      'durable',
      'accelerator',
      'case',
      'blocks',
      'median',
      'low',
      'high',
    ],
    ...['reference', 'paired_blocks', 'ratio', 'ratio_low', 'ratio_high'],
    ...['p', 'p_holm', 'cliffs_delta', 'verdict'],
  ]
  const rows = measures.flatMap(({ name, unit, classes }) =>
    classes.flatMap(({ durable, accelerator, reference, cases, comparisons }) =>
      cases.map((each): Cell[] => {
        const held = comparisons.find((comparison) => comparison.case === each.case)
        return [
          ...[study, name, unit, String(durable), accelerator, each.case, each.n, each.median],
          ...[each.interval?.low, each.interval?.high],
          ...(held ? [reference, held.blocks] : ['', '']),
          ...[held?.ratio, held?.interval?.low, held?.interval?.high],
          ...[held?.p, held?.adjustedP, held?.cliffsDelta, held?.verdict],
        ]
      }),
    ),
  )
  return csv([head, ...rows])
}

function csv(rows: readonly (readonly Cell[])[]): string {
  return `${rows.map((row) => row.map(field).join(',')).join('\r\n')}\r\n`
}

/** A text that a spreadsheet would take for a formula gets an apostrophe: https://owasp.org/www-community/attacks/CSV_Injection */
function field(cell: Cell): string {
  if (cell === undefined) return ''
  if (typeof cell === 'number') return String(cell)
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
