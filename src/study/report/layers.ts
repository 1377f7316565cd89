import { median } from 'simple-statistics'
import { transactions } from './measures.ts'
import { type CaseFacts, LAYERS, type Layer, type RunResult } from './record.ts'

/** What each layer counted in a case: medians over its passed runs. */
export interface LayerFigures {
  case: string
  operations: Partial<Record<Layer, number>>
  bytes: Partial<Record<Layer, number>>
  /** Operations of the device for each of the guest's (of qemu's, where the guest told nothing). */
  deviceOperationsPerGuestOperation?: number
}

export function layersOf(cases: readonly CaseFacts[], runs: readonly RunResult[]): LayerFigures[] {
  return cases.flatMap(({ name }) => {
    const own = runs.filter((run) => run.case === name && run.outcome === 'passed')
    const operations = perLayer(own, (run, layer) => transactions(run.layers[layer]))
    const bytes = perLayer(own, (run, layer) => {
      const { readBytes, writtenBytes } = run.layers[layer] ?? {}
      if (readBytes === undefined && writtenBytes === undefined) return undefined
      return (readBytes ?? 0) + (writtenBytes ?? 0)
    })
    if (Object.keys(operations).length === 0 && Object.keys(bytes).length === 0) return []
    const ratios = own.flatMap((run) => hostPerGuest(run) ?? [])
    const ratio = ratios.length > 0 && { deviceOperationsPerGuestOperation: median(ratios) }
    return [{ case: name, operations, bytes, ...ratio }]
  })
}

function hostPerGuest({ layers }: RunResult): number | undefined {
  const device = transactions(layers.device)
  const guest = transactions(layers.guest) ?? transactions(layers.qemu)
  return device === undefined || !guest ? undefined : device / guest
}

function perLayer(
  runs: readonly RunResult[],
  of: (run: RunResult, layer: Layer) => number | undefined,
): Partial<Record<Layer, number>> {
  return Object.fromEntries(
    LAYERS.flatMap((layer) => {
      const values = runs.flatMap((run) => of(run, layer) ?? [])
      return values.length === 0 ? [] : [[layer, median(values)]]
    }),
  )
}
