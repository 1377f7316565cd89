import { sigmaLoad } from '../density/methods.ts'
import type { Density, Prediction } from '../density/model.ts'
import { normalShare } from '../density/normal.ts'
import type { Constraint } from '../density/records.ts'
import { formatBytes, formatSeconds } from '../lib/quantities.ts'
import type { DensityFacts } from './density-facts.ts'
import { table } from './table.ts'

/** What a prediction is printed from. */
export interface Predicted {
  tier: string
  guest: string
  facts: DensityFacts
  prediction: Prediction
  /** Asked about, in place of those that run. */
  vms?: number
}

const WIDTH = 110
const WORDS: Record<Constraint, string> = {
  io: 'I/O',
  boot: 'boots',
  memory: 'memory',
  space: 'space',
  cpu: 'processors',
}

/** For a person: what is known, a line a method, and why it is no more. */
export function predictionText(predicted: Predicted): string {
  const { tier, guest, facts, prediction } = predicted
  const rows = prediction.densities.map(({ method, vms, headroom, bound }) => [
    method,
    vms === undefined ? '–' : String(vms),
    headroom === undefined ? '–' : String(headroom),
    bound === undefined ? '–' : WORDS[bound],
  ])
  return [
    `tier ${tier}, guest ${guest}`,
    `  serves   ${serves(facts, prediction)}`,
    `  is asked ${isAsked(facts)}`,
    `  runs     ${predicted.vms === undefined ? counted(facts.running) : `${counted(predicted.vms)}, as asked about`}`,
    '',
    table(['method', 'vms', 'headroom', 'bound by'], rows),
    '',
    ...filled(explanation(predicted)),
    ...boots(prediction).flatMap(filled),
    '',
  ].join('\n')
}

function serves(
  { capacity, service, targetLatency, settings }: DensityFacts,
  { capacity: share }: Prediction,
): string {
  const peak = service
    ? `${figure(service.peak)} transactions/s at the most`
    : 'what nobody has measured'
  const source = capacity.classes.length > 0 ? 'calibrated' : 'rated'
  const known = service ? `${peak} (${source})` : peak
  if (service?.baseLatency !== undefined && targetLatency !== undefined) {
    return `${known}, filled to ${percent(share)} at a latency of ${formatSeconds(targetLatency)}`
  }
  const why =
    targetLatency === undefined ? 'without a target latency' : 'its latency not being known'
  return `${known}, filled to utilisationCap, ${percent(settings.utilisationCap)}, ${why}`
}

function isAsked({ demand, source, seen, liveVms }: DensityFacts): string {
  if (!demand) return 'for what nobody has seen'
  const { mean, sigma, correlation } = demand
  const asked = `for ${percent(mean)} of its time by a vm, sigma ${percent(sigma)}, correlation ${correlation.toFixed(2)}`
  if (source === 'stated') return `${asked} (as the config states)`
  if (!seen) return `${asked} (${counted(liveVms ?? 0)} that run now)`
  const [least, most] = seen.vms
  const several = least === most ? counted(most) : `${least} to ${counted(most)}`
  const from = seen.from === 'ramp' ? 'steps of its last ramp' : 'past runs'
  return `${asked} (${seen.count} ${from}, ${several} at once, ${formatSeconds(seen.seconds)})`
}

/** Why the method sigma comes to what it comes to, and whether the vms that were asked about fit. */
export function explanation(predicted: Predicted): string {
  const { tier, guest, prediction, vms: asked } = predicted
  const chosen = prediction.densities.find(({ method }) => method === 'sigma')!
  if (chosen.vms === undefined) return unknown(predicted)
  const fit = `${counted(chosen.vms)} of guest ${guest} ${chosen.vms === 1 ? 'fits' : 'fit'} on tier ${tier}`
  const answer =
    asked === undefined
      ? fit
      : `${counted(asked)} ${verb(asked)} ${asked <= chosen.vms ? 'fit' : 'not fit'}: ${fit}`
  return [
    `${answer}, bound by ${WORDS[chosen.bound!]}.`,
    because(chosen, predicted),
    others(predicted),
  ]
    .filter((sentence) => sentence !== '')
    .join(' ')
}

function unknown({ tier, guest, facts, prediction }: Predicted): string {
  const limits = prediction.limits.map(({ constraint, vms }) => `${WORDS[constraint]} ${vms}`)
  const known = limits.length === 0 ? '' : `; what else is known would let be: ${limits.join(', ')}`
  return facts.demand
    ? `Nothing bounds how many vms of guest ${guest} fit on tier ${tier}.`
    : `How many vms of guest ${guest} fit on tier ${tier} is not known, as nobody knows what one asks of it${known}.`
}

function because({ vms, bound }: Density, { facts, prediction }: Predicted): string {
  const { demand, settings, memory, space, cpu, boot, service, targetLatency } = facts
  const n = vms!
  switch (bound) {
    case 'io': {
      const load = (vms: number) => exact(sigmaLoad(demand!, vms, settings.zScore))
      const share = percent(normalShare(settings.zScore))
      const limit =
        service?.baseLatency !== undefined && targetLatency !== undefined
          ? `it keeps ${formatSeconds(targetLatency)} up to ${exact(prediction.capacity)}`
          : `it is to be filled to ${exact(prediction.capacity)}`
      return `In ${share} of the seconds they ask for no more than ${load(n)} of its time, one more would make it ${load(n + 1)}, and ${limit}.`
    }
    case 'memory':
      return `One takes ${formatBytes(memory!.each)} of the ${formatBytes(Math.max(0, memory!.room))} that vms may have.`
    case 'space':
      return `The images of one come to take ${formatBytes(space!.each)} of the ${formatBytes(Math.max(0, space!.room))} that they may have.`
    case 'cpu':
      return `One takes ${figure(cpu!.each)} of the ${figure(cpu!.room)} processors that vms may have.`
    case 'boot':
      return `A boot asks for ${percent(boot!.demand!)} of its time beside those that serve.`
    default:
      return ''
  }
}

function others({ prediction }: Predicted): string {
  const chosen = prediction.densities.find(({ method }) => method === 'sigma')!
  const rest = prediction.limits.filter(({ constraint }) => constraint !== chosen.bound)
  if (rest.length === 0) return ''
  const words = rest.map(({ constraint, vms }) => `${WORDS[constraint]} ${vms}`)
  return `By itself each of the others would let be: ${words.join(', ')}.`
}

function boots({ boot }: Prediction): string[] {
  if (!boot) return []
  const atOnce =
    boot.atOnce === undefined ? '' : `, and ${boot.atOnce} may boot at once while the others serve`
  if (boot.stormSeconds === undefined) return []
  return [
    `Started together they have booted after about ${formatSeconds(boot.stormSeconds)}${atOnce}.`,
  ]
}

function verb(vms: number): string {
  return vms === 1 ? 'does' : 'do'
}

function counted(vms: number): string {
  return vms === 1 ? '1 vm' : `${vms} vms`
}

function percent(share: number): string {
  const value = share * 100
  return `${value >= 10 ? Math.round(value) : Number(value.toPrecision(2))} %`
}

/** With a digit more, so that what is just too much looks it. */
function exact(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`
}

function figure(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(2)))
}

function filled(text: string): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!
    if (last === '') lines[lines.length - 1] = word
    else if (last.length + 1 + word.length > WIDTH) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}
