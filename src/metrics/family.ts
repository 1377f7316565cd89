export type MetricType = 'counter' | 'gauge' | 'histogram'

/** A metric family: what every sample of one name has in common. */
export interface Family<L extends string = string> {
  readonly name: string
  readonly type: MetricType
  readonly help: string
  readonly labels: readonly L[]
}

/** The state of a histogram: cumulative counts by upper bound, in the family's base unit. */
export interface Distribution {
  /** Upper bounds, ascending, without +Inf. */
  readonly bounds: readonly number[]
  /** Observations at or below each bound; as long as `bounds`. */
  readonly counts: readonly number[]
  readonly count: number
  readonly sum: number
}

export interface Sample {
  readonly family: Family
  readonly labels: Readonly<Record<string, string>>
  readonly value: number | Distribution
}

/** Ties a value to a family; the compiler checks that every label is given. */
export function sample<L extends string>(
  family: Family<L>,
  labels: Readonly<Record<NoInfer<L>, string>>,
  value: number | Distribution,
): Sample {
  return { family, labels, value }
}

/** The same, or nothing where the source did not give the value: absent is not 0. */
export function sampleIfGiven<L extends string>(
  family: Family<L>,
  labels: Readonly<Record<NoInfer<L>, string>>,
  value: number | Distribution | undefined,
): Sample[] {
  return value === undefined ? [] : [{ family, labels, value }]
}
