import { medianAbsoluteDeviation, median as medianOf } from 'simple-statistics'

// Iglewicz and Hoaglin (1993): 0.6745 makes the MAD of a normal distribution its standard deviation; 3.5 is their limit.
const NORMAL = 0.6745
const LIMIT = 3.5

/**
 * Which values lie far from the others, by the modified z-score 0.6745 (x − median) / MAD. A flag and nothing more: no value
 * is ever left out of a median for it. Where half of the values are the same there is no scale, and no flag.
 */
export function outlierFlags(values: readonly number[]): boolean[] {
  if (values.length === 0) return []
  const middle = medianOf([...values])
  const spread = medianAbsoluteDeviation([...values])
  return values.map((value) => spread > 0 && (NORMAL * Math.abs(value - middle)) / spread > LIMIT)
}
