import type { Distribution, MetricType, Sample } from '../../src/metrics/family.ts'
import { encodePieces, renderSamples } from '../../src/metrics/render.ts'

/** A sample as a page has it: a histogram's lines stay lines. */
export interface ParsedSample {
  name: string
  labels: Record<string, string>
  value: number
}

export interface ParsedFamily {
  name: string
  help: string
  type: MetricType
  samples: ParsedSample[]
}

const LINE = /^(\w+)(?:\{(.*)\})? (\S+)$/s
const PAIR = /(\w+)="((?:[^"\\]|\\.)*)"(?:,|$)/gs
const NUMBERS: Record<string, number> = { '+Inf': Infinity, '-Inf': -Infinity, NaN: Number.NaN }

/** The page of these samples, as it is sent. */
export function pageOf(...given: Parameters<typeof renderSamples>): string {
  return encodePieces(renderSamples(...given)).toString()
}

/** A page back into families; strict: throws at any line that is not as the text format has it. */
export function parsePage(page: string): ParsedFamily[] {
  const families: ParsedFamily[] = []
  for (const line of page.split('\n').slice(0, -1)) {
    const comment = /^# (HELP|TYPE) (\w+) (.*)$/s.exec(line)
    const [, kind, name = '', rest = ''] = comment ?? []
    if (kind === 'HELP') families.push({ name, help: unescaped(rest), type: 'gauge', samples: [] })
    else if (kind === 'TYPE') families.at(-1)!.type = rest as MetricType
    else families.at(-1)!.samples.push(parseLine(line))
  }
  return families
}

/** What the page of these samples must hold; duplicates left out. */
export function expectedFamilies(samples: readonly Sample[]): ParsedFamily[] {
  const families = new Map<string, ParsedFamily & { seen: Set<string> }>()
  for (const { family, labels, value } of samples) {
    const { name, help, type } = family
    const into = families.get(name) ?? { name, help, type, samples: [], seen: new Set() }
    families.set(name, into)
    const key = JSON.stringify(family.labels.map((label) => labels[label]))
    if (into.seen.has(key)) continue
    into.seen.add(key)
    if (typeof value === 'number') into.samples.push({ name, labels: { ...labels }, value })
    else into.samples.push(...histogramLines(name, { ...labels }, value))
  }
  return [...families.values()].map(({ seen, ...family }) => family)
}

function histogramLines(
  name: string,
  labels: Record<string, string>,
  { bounds, counts, count, sum }: Distribution,
): ParsedSample[] {
  const buckets = bounds.map((bound, index) => bucket(String(bound), counts[index]!))
  function bucket(le: string, value: number): ParsedSample {
    return { name: `${name}_bucket`, labels: { ...labels, le }, value }
  }
  return [
    ...buckets,
    bucket('+Inf', count),
    { name: `${name}_sum`, labels, value: sum },
    { name: `${name}_count`, labels, value: count },
  ]
}

function parseLine(line: string): ParsedSample {
  const [, name, pairs = '', number] = LINE.exec(line) ?? []
  if (name === undefined || number === undefined) throw new Error(`not a sample: ${line}`)
  const labels: Record<string, string> = {}
  let end = 0
  for (const match of pairs.matchAll(PAIR)) {
    labels[match[1]!] = unescaped(match[2]!)
    end = match.index + match[0].length
  }
  if (end !== pairs.length) throw new Error(`not label pairs: ${pairs}`)
  // Of `le` the number counts here; how it is spelled, the table in render.test.ts says.
  if (labels.le !== undefined && labels.le !== '+Inf') labels.le = String(Number(labels.le))
  return { name, labels, value: NUMBERS[number] ?? Number(number) }
}

function unescaped(text: string): string {
  return text.replace(/\\([\\n"])/g, (_match, character) => (character === 'n' ? '\n' : character))
}
