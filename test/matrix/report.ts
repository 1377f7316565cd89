export interface Row {
  words: Readonly<Record<string, string>>
  /** The disk's name and its kernel driver in the guest. */
  disk: string
  driver: string
  guestWrites?: number
  driveWrites?: number
  driveFlushes?: number
  /** None when the case is as it was asked for. */
  problems: readonly string[]
}

export interface Run {
  commit: string
  date: string
  host: string
  seconds: number
  filesystems: readonly string[]
}

/** The outcome of the smoke matrix as a page. */
export function markdown(rows: readonly Row[], run: Run): string {
  const names = Object.keys(rows[0]?.words ?? {})
  const head = [...names, 'disk', 'driver', 'guest writes', 'qemu writes', 'qemu flushes', '']
  const failed = rows.filter(({ problems }) => problems.length > 0)
  const lines = rows.map((row) =>
    [
      ...names.map((name) => row.words[name]),
      row.disk,
      row.driver,
      row.guestWrites,
      row.driveWrites,
      row.driveFlushes,
      row.problems.length === 0 ? 'passed' : `failed: ${row.problems.join('; ')}`,
    ].map((cell) => String(cell ?? '').replaceAll('\n', ' ')),
  )
  return [
    '# The smoke matrix',
    '',
    `\`npm run test:matrix\` at commit ${run.commit} on ${run.date} (${run.host}, TCG): ${rows.length - failed.length} of ${rows.length} cases passed, ${run.seconds} s.`,
    '',
    `Each pair of values that qemu takes is in one case at least, on the filesystems that this kernel has (${run.filesystems.join(', ')}).`,
    'A guest boots, writes 2 MiB to the bare disk in direct blocks of 64 KiB, and shuts down. While it writes, the case is held',
    "against query-block, query-named-block-nodes and qemu's command line, and against the name and the driver of the disk in the",
    'guest; after it the bytes are held against one another in the guest and in qemu. Linux counts a flush without data as a write.',
    '',
    `| ${head.join(' | ')} |`,
    `|${' --- |'.repeat(head.length)}`,
    ...lines.map((cells) => `| ${cells.join(' | ')} |`),
    '',
  ].join('\n')
}
