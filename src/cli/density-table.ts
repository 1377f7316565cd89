import { formatBytes, formatSeconds } from '../lib/quantities.ts'
import type { RampEvent, RampStepSummary, RampSummary } from '../study/ramp/event.ts'
import type { RampBound } from '../study/ramp/host.ts'
import { SHARE, worstOf } from '../study/ramp/verdict.ts'
import { table } from './table.ts'

/** A line of progress; undefined for what is no news. */
export function stepLine(event: RampEvent): string | undefined {
  switch (event.type) {
    case 'waiting':
      return `waiting for ${event.for}`
    case 'learning':
      return `learning what a vm asks from ${count(event.vms)}`
    case 'predicted': {
      const by = event.densities.flatMap(({ method, vms }) =>
        vms === undefined ? [] : [`${method} ${vms}`],
      )
      return `predicted: ${by.join(', ') || 'nothing'}`
    }
    case 'step-started':
      return `[${event.repetition}/${event.of}, ${event.order}] ${count(event.vms)}`
    case 'step-ended':
      return `  ${outcome(event)}`
  }
}

function outcome({ verdict, figures }: RampStepSummary): string {
  const { reason, limit } = figures
  const worst = worstOf(figures.vms ?? [])
  const why = reason ?? (limit && LIMITS[limit])
  if (why !== undefined) return `${verdict}: ${why}`
  if (!worst) return verdict
  const latency = worst.latency === undefined ? '' : `, mean ${milliseconds(worst.latency)} ms`
  return `${verdict}: the worst vm in ${percent(worst.met)} of its windows${latency}`
}

const LIMITS = {
  cpu: "the host's processors are busier than they may be",
  memory: "the host's memory gives out",
} as const

/** What a ramp came to: its steps, and what was predicted beside what was measured. */
export function densityTable(summary: RampSummary): string {
  const { tier, guest, target, workload, seed, steps, ramp } = summary
  const number = ramp === undefined ? '' : ` (ramp ${ramp}, seed ${seed})`
  const head = `${guest} on ${tier}, target ${formatSeconds(target)}${number}: ${workload}`
  const parts = [
    head,
    learnedLine(summary),
    ...(steps.length === 0 ? [] : [stepTable(steps)]),
    ...(ramp === undefined ? [] : [methodTable(summary)]),
    verdictLines(summary),
    ...(steps.length === 0 ? [] : [NOTE]),
  ]
  return `\n${parts.join('\n\n')}\n`
}

const NOTE = `A vm meets the target while its mean latency does in ${percent(SHARE)} of its windows, and all of them have to. worst vm: the share of windows in which the worst one did. p99: of the vm whose is the highest. device: its own mean latency, and how many requests were under way. tps: of one vm, on average.`

function learnedLine({ learned }: RampSummary): string {
  const { vms, seconds, demand, transactionsPerSecond, memory } = learned
  if (vms === 0) return 'learned: nothing, there was no room for one vm'
  const parts = [
    ...(transactionsPerSecond === undefined ? [] : [`${transactionsPerSecond.toFixed(2)} tps`]),
    ...(demand
      ? [
          `demand ${demand.mean.toFixed(4)} of the tier's time, sigma ${demand.sigma.toFixed(4)}, correlation ${demand.correlation.toFixed(2)}`,
        ]
      : []),
    ...(memory === undefined ? [] : [`${formatBytes(memory)} of the host's memory`]),
  ]
  return `learned from ${count(vms)} in ${formatSeconds(seconds)}, of one: ${parts.join('; ')}`
}

function stepTable(steps: readonly RampStepSummary[]): string {
  const rows = steps.map(({ repetition, vms, verdict, figures }) => {
    const { device, cpu } = figures
    const all = figures.vms ?? []
    const p99s = all.flatMap(({ p99 }) => p99 ?? [])
    const rates = all.map(({ transactionsPerSecond }) => transactionsPerSecond)
    return [
      String(repetition),
      String(vms),
      worstMet(figures),
      p99s.length === 0 ? '' : milliseconds(Math.max(...p99s)),
      device?.latency === undefined ? '' : milliseconds(device.latency),
      device?.queue.toFixed(2) ?? '',
      device?.transactionsPerSecond.toFixed(1) ?? '',
      rates.length === 0 ? '' : (sum(rates) / rates.length).toFixed(2),
      cpu ? percent(cpu.busy) : '',
      [verdict, ...notesOf(figures)].join(', '),
    ]
  })
  const head = ['repetition', 'n', 'worst vm', 'p99 ms', 'device ms', 'queue', 'device tps', 'tps']
  return table([...head, 'host cpu', 'verdict'], rows)
}

function notesOf({ steady, again, limit }: RampStepSummary['figures']): string[] {
  return [
    ...(limit === undefined ? [] : [limit]),
    ...(steady === false ? ['not steady'] : []),
    ...(again === undefined ? [] : [`${again} started again`]),
  ]
}

function worstMet({ vms = [] }: RampStepSummary['figures']): string {
  const worst = worstOf(vms)
  return worst ? percent(worst.met) : ''
}

function methodTable({ densities, measured, bound }: RampSummary): string {
  const rows = densities
    .filter(({ method }) => method !== 'measured')
    .map(({ method, vms, bound: by }) => [
      method,
      vms === undefined ? '' : String(vms),
      by ?? '',
      vms === undefined || !measured || bound !== 'latency' ? '' : (vms / measured).toFixed(2),
    ])
  const found = measured === undefined ? [] : [['measured', String(measured), bound ?? '', '']]
  return table(['method', 'vms', 'bound', 'of measured'], [...rows, ...found])
}

const BOUNDS: Record<RampBound, string> = {
  latency: 'one more broke the target',
  cpu: "one more kept the host's processors too busy to tell",
  memory: "the host's memory has no room for one more",
  space: 'the tier has no space for one more',
  time: 'there was no time to try one more',
  max: 'no more were to be tried',
}

function verdictLines({ measured, bound, reason, repetitions, tier, guest }: RampSummary): string {
  const lines = repetitions.map(
    ({ order, vms, bound }, index) =>
      `repetition ${index + 1} (${order}): ${vms}, ${BOUNDS[bound]}`,
  )
  if (reason !== undefined) lines.push(reason)
  if (measured === undefined) return [...lines, 'no density was measured'].join('\n')
  const least = bound === 'latency' ? '' : 'at least '
  return [...lines, `tier ${tier} serves ${least}${count(measured)} of ${guest}`].join('\n')
}

function count(vms: number): string {
  return `${vms} vm${vms === 1 ? '' : 's'}`
}

function milliseconds(seconds: number): string {
  return (seconds * 1000).toFixed(1)
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
