import { type Comparison, comparisonTable, figure, median, ratioOf } from '../comparison.ts'
import type { Cost } from '../duel.ts'
import { seriesOf } from '../exporter.ts'
import type { PartResult, Target } from '../part.ts'
import { aligned } from '../table.ts'
import { guestOf } from './names.ts'

/** A number of idle guests, seen by kvmio and by libvirt's exporter. */
export interface Measured {
  /** Whether kvmio's are its own or libvirt's. */
  kind: 'own' | 'discovered'
  guests: number
  /** Of each repetition: kvmio's, the peer's. */
  costs: [Cost, Cost][]
  pages: [kvmio: string, peer: string]
}

const WORDS = { own: 'its own guests, with QMP', discovered: "libvirt's guests, without QMP" }
const BAR_GUESTS = 30

export function reportOf(measured: readonly Measured[], notes: readonly string[]): PartResult {
  const kinds = (['own', 'discovered'] as const).filter((kind) =>
    measured.some((one) => one.kind === kind),
  )
  const tables = kinds.map((kind) => {
    const ofKind = measured.filter((one) => one.kind === kind)
    const rows = ofKind.flatMap((one) => [time(one), cpu(one)])
    return `kvmio with ${WORDS[kind]}, beside libvirt-exporter (its CPU time with libvirtd's)\n\n${comparisonTable(rows)}\n\n${perGuestTable(ofKind)}`
  })
  return { report: [...tables, ...notes], targets: targetsOf(measured) }
}

function time({ guests, costs }: Measured): Comparison {
  return comparison(guests, 'ms', costs, ({ ms }) => ms)
}

function cpu({ guests, costs }: Measured): Comparison {
  return comparison(guests, 'CPU ms', costs, ({ cpuMs }) => cpuMs)
}

function comparison(
  guests: number,
  unit: string,
  costs: Measured['costs'],
  read: (cost: Cost) => number,
): Comparison {
  return {
    what: `scrape of ${guests} idle guests`,
    peer: 'libvirt-exporter',
    unit,
    kvmio: costs.map(([own]) => read(own)),
    peers: costs.map(([, other]) => read(other)),
  }
}

function perGuestTable(measured: readonly Measured[]): string {
  const rows = measured.map((one) => {
    const { kvmio, peers } = time(one)
    const [own, other] = seriesPerGuest(one)
    return [
      String(one.guests),
      figure(median(kvmio) / one.guests),
      figure(median(peers) / one.guests),
      own.toFixed(0),
      other.toFixed(0),
      String(one.pages[0].length),
      String(one.pages[1].length),
    ]
  })
  const head = [
    'guests',
    'kvmio ms/guest',
    'peer ms/guest',
    'kvmio series/guest',
    'peer series/guest',
  ]
  return aligned([[...head, 'kvmio bytes', 'peer bytes'], ...rows])
}

function seriesPerGuest({ guests, pages }: Measured): [kvmio: number, peer: number] {
  const count = (page: string, label: string) =>
    seriesOf(page).filter((line) => guestOf(line, label) !== undefined).length / guests
  return [count(pages[0], 'vm'), count(pages[1], 'domain')]
}

function targetsOf(measured: readonly Measured[]): Target[] {
  const own = measured.filter(({ kind }) => kind === 'own')
  const at = own.find(({ guests }) => guests === BAR_GUESTS)
  const last = own.at(-1)
  const targets: Target[] = []
  if (at) {
    const [mine, theirs] = seriesPerGuest(at)
    targets.push({
      what: `time per vm at ${BAR_GUESTS} guests beside libvirt-exporter, with ${(mine / theirs).toFixed(0)} times its series`,
      bar: 'ratio at most 0.10',
      figure: ratioOf(time(at)).toFixed(3),
      isMet: ratioOf(time(at)) <= 0.1,
    })
  }
  if (at && last && last.guests > BAR_GUESTS) {
    const perGuest = (one: Measured) => median(time(one).kvmio) / one.guests
    const growth = perGuest(last) / perGuest(at)
    targets.push({
      what: `growth: time per vm at ${last.guests} guests, of that at ${BAR_GUESTS}`,
      bar: 'at most 1.00',
      figure: growth.toFixed(2),
      isMet: growth <= 1,
    })
  }
  return targets
}
