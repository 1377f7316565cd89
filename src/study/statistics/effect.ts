/**
 * How far one sample lies above another: the share of pairs in which it is the greater, less that in which it is the
 * smaller (Cliff 1993). From −1 (always below) through 0 to 1 (always above).
 */
export function cliffsDelta(values: readonly number[], reference: readonly number[]): number {
  if (values.length === 0 || reference.length === 0) {
    const sizes = `${values.length} and ${reference.length}`
    throw new RangeError(`cliffsDelta: expected two samples with values, got ${sizes} values`)
  }
  let above = 0
  for (const a of values) for (const b of reference) above += Math.sign(a - b)
  return above / (values.length * reference.length)
}
