/**
 * The share of a normal distribution below z standard deviations above its mean: 0.95 for 1.645. Abramowitz and Stegun
 * 26.2.17, right to 1e-7.
 */
export function normalShare(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z))
  const terms = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429]
  const sum = terms.reduceRight((total, term) => (total + term) * t, 0)
  const above = (Math.exp(-(z ** 2) / 2) / Math.sqrt(2 * Math.PI)) * sum
  return z < 0 ? above : 1 - above
}
