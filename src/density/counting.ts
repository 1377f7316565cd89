/** So that 0.7 / 0.05, which is 13.999999999999998 in binary, counts as the 14 that it is. */
const TOLERANCE = 1e-9

/** Beyond that no host goes: such a density binds nothing. */
const MOST_VMS = 100_000

/** How many of a size fit into a room, none into less than nothing; undefined where it is without bound. */
export function fitting(room: number, each: number): number | undefined {
  if (room < 0) return 0
  const vms = Math.floor((room / each) * (1 + TOLERANCE))
  return vms <= MOST_VMS ? vms : undefined // also 0 / 0 and n / 0
}

/** The largest n for which `load(n)`, which never falls, is within the room; undefined where it is without bound. */
export function largest(room: number, load: (vms: number) => number): number | undefined {
  const fits = (vms: number) => load(vms) <= room * (1 + TOLERANCE)
  if (fits(MOST_VMS)) return undefined
  let [least, tooMany] = [0, MOST_VMS]
  while (tooMany - least > 1) {
    const middle = Math.floor((least + tooMany) / 2)
    if (fits(middle)) least = middle
    else tooMany = middle
  }
  return least
}
