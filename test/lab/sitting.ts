// What the lab's part `paper` is asked to do in one sitting: npm run test:lab -- paper parts=lvm only=lvm blocks=1 minutes=22

/** The figures of the paper that need LVM or reiserfs. */
export const FIGURES = {
  'virtio-optimizations': 'Figure 4 of the paper',
  filesystems: 'Figure 6 of the paper',
  lvm: 'Figure 7 of the paper',
} as const

export type Part = keyof typeof FIGURES

export interface Sitting {
  parts: readonly Part[]
  /** Only the cases whose names match. */
  only?: string
  /** How many more blocks; by the suite's own rule when absent. */
  blocks?: number
  /** After which what goes on is abandoned. */
  minutes: number
}

const PARTS = Object.keys(FIGURES) as Part[]
const KEYS = ['parts', 'only', 'blocks', 'minutes']
const MINUTES = 60

/** What the words ask for, or a sentence that says what is wrong with them. */
export function parseSitting(words: readonly string[]): Sitting | string {
  const given = new Map(words.map((word) => word.split(/=(.*)/, 2) as [string, string]))
  const unknown = [...given.keys()].filter((key) => !KEYS.includes(key))
  if (unknown.length > 0) return `unknown word ${unknown.join(', ')}; there is ${KEYS.join(', ')}`
  const names = given.get('parts')?.split(',') ?? PARTS
  const other = names.filter((name) => !(PARTS as string[]).includes(name))
  if (other.length > 0) return `parts: expected of ${PARTS.join(', ')}, got ${other.join(', ')}`
  const only = given.get('only')
  // It is a word of a kernel's command line.
  if (only !== undefined && !/^[\w*-]+$/.test(only))
    return `only: expected the name of a case, in which * stands for any characters, got "${only}"`
  for (const key of ['blocks', 'minutes']) {
    const number = given.get(key)
    if (number !== undefined && !/^[1-9]\d{0,3}$/.test(number))
      return `${key}: expected a whole number from 1 to 9999, got "${number}"`
  }
  const blocks = given.get('blocks')
  if (only !== undefined && blocks !== undefined && blocks !== '1')
    return 'blocks: only some cases run in one block alone'
  return {
    parts: PARTS.filter((part) => names.includes(part)),
    ...(only !== undefined && { only }),
    ...(blocks !== undefined && { blocks: Number(blocks) }),
    minutes: Number(given.get('minutes') ?? MINUTES),
  }
}
