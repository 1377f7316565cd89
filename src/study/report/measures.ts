import { mean } from 'simple-statistics'
import { phasesOf } from '../../config/phases.ts'
import type { LayerCounts, RunResult } from './record.ts'

// What is taken from a run. A median of these is a case's result.

/** In which a guest works on what a run is about; an idle one does not. */
const LOAD_PHASES: readonly string[] = ['write', 'fio', 'script', ...phasesOf('install')]

export const MEASURE_NAMES = ['load', 'rate', 'tps', 'peak'] as const
export type MeasureName = (typeof MEASURE_NAMES)[number]

export interface Measure {
  /** A MeasureName, or a phase whose time it is. */
  name: string
  title: string
  unit: string
  /** Which direction a person wants. */
  better: 'less' | 'more'
  /** What a ratio above 1 says of the first case: `2.1 times as fast`. */
  comparative: string
  /** One sentence on how it is taken. */
  source: string
  of(run: RunResult): number | undefined
}

const MEASURES: Record<MeasureName, Measure> = {
  load: {
    name: 'load',
    title: 'Time of the load',
    unit: 's',
    better: 'less',
    comparative: 'as fast',
    source: 'The phases in which the guest works (write, install, fio, script), the slowest vm.',
    of: loadSeconds,
  },
  rate: {
    name: 'rate',
    title: 'Transactions of the guests under load',
    unit: '/s',
    better: 'more',
    comparative: 'the transactions per second',
    source:
      'Reads and writes of all vms: as fio reports them, else the mean of the one-second samples of qemu’s counters while the guests work.',
    of: loadRate,
  },
  tps: {
    name: 'tps',
    title: 'Transactions of the device',
    unit: '/s',
    better: 'less',
    comparative: 'the device transactions per second',
    source:
      'Reads and writes that the device completed, over the whole run until its data was there.',
    of: deviceTps,
  },
  peak: {
    name: 'peak',
    title: 'Peak of the device',
    unit: '/s',
    better: 'less',
    comparative: 'the busiest second',
    source: 'The highest one-second sample of the device’s transactions.',
    of: devicePeak,
  },
}

export function measure(name: string): Measure {
  return Object.hasOwn(MEASURES, name) ? MEASURES[name as MeasureName] : phaseMeasure(name)
}

function phaseMeasure(phase: string): Measure {
  return {
    name: phase,
    title: `Time of the phase ${phase}`,
    unit: 's',
    better: 'less',
    comparative: 'as fast',
    source: `How long the guest was in its phase ${phase}, by its own clock, the slowest vm.`,
    of: ({ phases }) => secondsOf(phases, phasesOf(phase)),
  }
}

function secondsOf(phases: RunResult['phases'], names: readonly string[]): number | undefined {
  const own = phases.filter(({ name }) => names.includes(name))
  return own.length === 0 ? undefined : own.reduce((sum, { seconds }) => sum + seconds, 0)
}

/**
 * The measures that a study's runs have; first the one that answers what it asks: a measure's name, or a phase. Of the
 * time of a load and its rate one says all: a job of a given time takes that time on any storage.
 */
export function measuresOf(runs: readonly RunResult[], first?: string): Measure[] {
  const timed = runs.some(({ phases }) => phases.some(({ name }) => name === 'fio'))
  const load: MeasureName = timed ? 'rate' : 'load'
  return [...new Set([first ?? load, load, 'tps'])]
    .map(measure)
    .filter((each) => runs.some((run) => each.of(run) !== undefined))
}

function loadSeconds({ phases }: RunResult): number | undefined {
  return secondsOf(phases, LOAD_PHASES)
}

function loadRate({ samples, fioOperationsPerSecond }: RunResult): number | undefined {
  if (fioOperationsPerSecond !== undefined) return fioOperationsPerSecond
  const rates = samples.flatMap(({ phase, vms }) =>
    vms !== undefined && LOAD_PHASES.includes(phase ?? '') ? [vms] : [],
  )
  return rates.length === 0 ? undefined : mean(rates)
}

function deviceTps({ layers, seconds }: RunResult): number | undefined {
  const done = transactions(layers.device)
  return done === undefined || seconds <= 0 ? undefined : done / seconds
}

function devicePeak({ samples }: RunResult): number | undefined {
  const rates = samples.flatMap(({ device }) => device ?? [])
  return rates.length === 0 ? undefined : Math.max(...rates)
}

/** Reads and writes, as the paper's iostat counted them: flushes and discards are not among them. */
export function transactions(counts: LayerCounts | undefined): number | undefined {
  if (counts?.reads === undefined || counts.writes === undefined) return undefined
  return counts.reads + counts.writes
}
