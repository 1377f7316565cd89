/** Every combination of one value a key, the last key fastest. */
export function combinations<Values extends Record<string, readonly unknown[]>>(
  values: Values,
): { [Key in keyof Values]: Values[Key][number] }[] {
  const all = Object.entries(values).reduce<Record<string, unknown>[]>(
    (begun, [key, choices]) =>
      begun.flatMap((one) => choices.map((choice) => ({ ...one, [key]: choice }))),
    [{}],
  )
  return all as { [Key in keyof Values]: Values[Key][number] }[]
}
