// The loads of a study's vms, one after another, with a reading of every layer between them and a trace of the device.
import type { ConfigText } from '../e2e/kvmio.ts'
import { type Stretch, type TracedVm, tracedVm } from './block-layer.ts'
import type { Load } from './guest-load.ts'
import {
  followSeries,
  type IostatInterval,
  type SeriesSum,
  startInterval,
} from './iostat-interval.ts'
import type { Bench } from './part.ts'
import {
  awaitRuns,
  deviceOf,
  openStage,
  type Reading,
  read,
  readAtRest,
  readHeld,
  type Stage,
  type Teardown,
} from './stage.ts'
import { startTrace, type TraceEvent } from './trace.ts'

export interface Observation {
  config: ConfigText
  tier: string
  study: string
  vms: readonly string[]
  loads: readonly Load[]
  /** Of an iostat over the last load, from the reading before it until some seconds after its end. */
  intervalSeconds?: number
  /** Called while a load runs. */
  during?: (stage: Stage, load: Load, number: number) => Promise<void>
}

export interface Observed {
  stage: Stage
  device: string
  vms: readonly TracedVm[]
  /** One more than loads. */
  readings: readonly Reading[]
  stretches: readonly Stretch[]
  trace: readonly TraceEvent[]
  second?: SecondOpinion
}

/** What iostat said of the last load. */
export interface SecondOpinion {
  interval: IostatInterval
  /** What kvmio's own said of the same time. */
  series: SeriesSum
  /** kvmio's page at the end of the interval. */
  after: Reading
}

/** Sees to it that all ends well, and gives what was seen. */
export async function observe(
  bench: Bench,
  t: Teardown,
  { config, tier, study, vms, loads, intervalSeconds, during }: Observation,
): Promise<Observed> {
  const stage = await openStage(t, config)
  const on = await deviceOf(stage, tier)
  const { device } = on
  const trace = await startTrace(on.major, on.minor, bench.directory)
  t.teardown(() => trace.stop())

  const readings: Reading[] = []
  let traced: TracedVm[] = []
  let begun: { interval: IostatInterval; series: ReturnType<typeof followSeries> } | undefined
  let second: SecondOpinion | undefined
  const beforeLast = loads.length - 1
  for (let done = 0; done <= loads.length; done++) {
    if (done > 0) await during?.(stage, loads[done - 1]!, done)
    const reading = await readHeld(stage, vms, done, async (serving) => {
      if (done === 0) traced = await Promise.all(vms.map((vm) => tracedVm(stage, vm)))
      if (done === loads.length && begun) {
        const { interval } = begun
        await interval.done
        const after = await read(serving)
        second = { interval, after, series: await begun.series.stop() }
      }
      const reading = await readAtRest(serving, device)
      if (done === beforeLast && intervalSeconds !== undefined) {
        const interval = await startInterval(serving, device, intervalSeconds)
        begun = { interval, series: followSeries(serving, device) }
      }
      return reading
    })
    readings.push(reading)
  }
  await awaitRuns(stage, study)

  const stretches = loads.map(({ name }, index) => {
    const [before, after] = [readings[index]!, readings[index + 1]!]
    return { name, device, vms: traced, before, after }
  })
  return {
    stage,
    device,
    vms: traced,
    readings,
    stretches,
    trace: await trace.stop(),
    ...(second && { second }),
  }
}
