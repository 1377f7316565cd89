import { measureOf } from '../config/phases.ts'
import type { StudyConfig } from '../config/schema.ts'
import { formatBytes, formatSeconds } from '../lib/quantities.ts'
import { blockSeconds, type ExpectedTime } from '../study/expected-time.ts'
import type { CasePlan } from '../study/plan.ts'
import { table } from './table.ts'

/** What a plan is printed from. */
export interface StudyPlan {
  name: string
  study: StudyConfig
  cases: readonly CasePlan[]
  /** By case that is not skipped. */
  times: ReadonlyMap<string, ExpectedTime>
  /** By tier: what the images can come to take, and what may be taken where that is known; bytes. */
  space: readonly { tier: string; neededBytes: number; availableBytes?: number }[]
}

const WIDTH = 110

/** A study's plan for a person: its cases, what it skips and why, how long it takes and what space. */
export function planText(plan: StudyPlan): string {
  const { name, study, cases } = plan
  const { guest, workload } = study
  return [
    `study ${name}: ${counted(cases.length, 'case', 'cases')} of guest ${guest}, ${vmsOf(cases)} at once, ${workload.kind}`,
    ...(study.scale === undefined ? [] : filled(`scale: ${study.scale}`.split(' '), ' ')),
    caseTable(plan),
    ...skippedLines(cases),
    `blocks: ${blocksOf(study)}`,
    ...timeLines(plan),
    ...filled(spaceWords(plan), ', '),
    '',
    '',
  ].join('\n')
}

/** How long several studies take one after another. */
export function sumText(plans: readonly StudyPlan[]): string {
  const cases = plans.reduce((sum, { times }) => sum + times.size, 0)
  const seconds = (limit: 'min' | 'max') =>
    plans.reduce((sum, plan) => sum + plan.study.blocks[limit] * blockOf(plan), 0)
  const range = [...new Set([about(seconds('min')), about(seconds('max'))])].join(' to ')
  return `in all ${counted(plans.length, 'study', 'studies')}, ${counted(cases, 'case', 'cases')} that can run here, ${range}\n`
}

/** A name is made of the values of the factors in the head. */
function caseTable({ cases, times, study }: StudyPlan): string {
  const factors = Object.keys(study.factors)
  const rows = cases.map((point) => {
    const time = times.get(point.name)
    const more = Object.entries(point.factors)
      .filter(([key]) => !factors.includes(key))
      .map(([key, value]) => `${key} ${value}`)
    const remarks = [...(point.name === study.reference?.case ? ['reference'] : []), ...more]
    return [point.name, time ? about(time.seconds) : 'skipped', remarks.join(', ')]
  })
  const head = factors.length === 0 ? 'case' : `case: ${factors.join(', ')}`
  return table([head, 'a run', ''], rows)
}

/** Each reason once, with the cases that it keeps from running. */
function skippedLines(cases: readonly CasePlan[]): string[] {
  const skipped = cases.filter(({ skip }) => skip !== undefined)
  const byReason = Map.groupBy(skipped, ({ skip }) => skip)
  return [...byReason].flatMap(([reason, points]) =>
    filled(
      points.map(({ name }, index) => (index === 0 ? `skipped ${name}` : name)),
      ', ',
      `: ${reason}`,
    ),
  )
}

function blocksOf({ schedule, blocks, reference, ...study }: StudyConfig): string {
  const { min, max, width } = blocks
  const until = width === undefined ? '' : `, until every median is known to ± ${percent(width)}`
  const many = min === max ? `${min}` : `${min} to ${max}${until}`
  const thrice = reference === undefined ? '' : `; ${reference.case} at start, middle and end`
  return `${schedule === 'continuous' ? 'without end' : many}; by ${measureOf(study)}${thrice}`
}

function timeLines(plan: StudyPlan): string[] {
  const { study, times } = plan
  if (times.size === 0) return []
  const { min, max } = study.blocks
  const whole = [...new Set([min, max])].map((blocks) => about(blocks * blockOf(plan)))
  const all = study.schedule === 'continuous' ? '' : `, ${whole.join(' to ')} in all`
  return [`time: ${about(blockOf(plan))} a block${all}, ${sources([...times.values()])}`]
}

function blockOf({ study, times }: StudyPlan): number {
  return blockSeconds(study, times)
}

function sources(times: readonly ExpectedTime[]): string {
  const count = (from: ExpectedTime['from']) => times.filter((time) => time.from === from).length
  if (count('rule') > 0) return 'by rule, since none has run here'
  const rest = count('other cases') === 0 ? '' : ', the others as their mean'
  return `from past runs of ${counted(count('past runs'), 'case', 'cases')}${rest}`
}

function spaceWords({ space }: StudyPlan): string[] {
  const words = space.map(({ tier, neededBytes, availableBytes }) => {
    const of = availableBytes === undefined ? '' : ` (of ${formatBytes(availableBytes)})`
    return `${formatBytes(neededBytes)} on ${tier}${of}`
  })
  const [first = 'none', ...rest] = words
  return [`space at the most: ${first}`, ...rest]
}

/** Words on as few lines as hold them, what follows behind the last one. */
function filled(words: readonly string[], separator: string, end = ''): string[] {
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + separator.length + word.length <= WIDTH) {
      lines[lines.length - 1] = `${last}${separator}${word}`
    } else if (last === undefined) lines.push(word)
    else {
      lines[lines.length - 1] = `${last}${separator.trimEnd()}`
      lines.push(`  ${word}`)
    }
  }
  return lines.map((line, index) => (index === lines.length - 1 ? `${line}${end}` : line))
}

/** `2`, or `1 to 8` where the cases differ. */
function vmsOf(cases: readonly CasePlan[]): string {
  const numbers = cases.map(({ study }) => study.vms)
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)]
  return least === most ? counted(most, 'vm', 'vms') : `${least} to ${most} vms`
}

/** No more exact than it can be. */
function about(seconds: number): string {
  if (seconds < 60) return formatSeconds(Math.ceil(seconds))
  const text = formatSeconds(
    Math.round(seconds / (seconds < 600 ? 10 : 60)) * (seconds < 600 ? 10 : 60),
  )
  return text.replace(/ 0 (s|min)$/, '')
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`
}

function counted(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`
}
