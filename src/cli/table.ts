/** Columns padded to their widest cell; figures to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  const isFigure = head.map((_, column) =>
    rows.every((row) => /^[\d.,–-]*( \D+)?$/.test(row[column] ?? '')),
  )
  return all
    .map((row) =>
      row
        .map((cell, column) =>
          isFigure[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
