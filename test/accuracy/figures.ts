// What the suite found: each comparison with its error, and the bound that it has to keep.
import { table } from '../../src/cli/table.ts'

/** One quantity that two sources tell. */
export interface Pair {
  /** Whose it is: a vm, a load, a field. */
  of: string
  expected: number
  found: number
}

/** A comparison, of one quantity or of several of a kind. */
export interface Figure {
  part: string
  /** What is compared with what. */
  what: string
  pairs: readonly Pair[]
  /** The largest error of a pair, in `unit`. */
  error: number
  bound: number
  /** 'relative' is in parts of what was expected, 'absolute' in the quantity's own unit. */
  unit: 'relative' | 'absolute'
  /** Why it is not 0 where it need not be. */
  why: string
  holds: boolean
}

/** How a part's counts come about, for a person to follow. */
export interface Account {
  title: string
  head: readonly string[]
  rows: readonly (readonly string[])[]
}

export class Figures {
  readonly all: Figure[] = []
  readonly accounts: Account[] = []
  #part = ''

  begin(part: string): void {
    this.#part = part
  }

  /** What has to be the same to the last transaction. */
  exact(what: string, pairs: readonly Pair[]): void {
    this.#add({ what, pairs, bound: 0, unit: 'absolute', why: 'exact' })
  }

  /** What may differ by so much in its own unit. */
  absolute(what: string, pairs: readonly Pair[], bound: number, why: string): void {
    this.#add({ what, pairs, bound, unit: 'absolute', why })
  }

  /** What may differ by such a part of what was expected. */
  relative(what: string, pairs: readonly Pair[], bound: number, why: string): void {
    this.#add({ what, pairs, bound, unit: 'relative', why })
  }

  account(title: string, head: readonly string[], rows: readonly (readonly string[])[]): void {
    this.accounts.push({ title: `${this.#part}: ${title}`, head, rows })
  }

  /** Something that broke the part off. */
  broken(reason: string): void {
    const pairs = [{ of: reason, expected: 0, found: 1 }]
    this.#add({ what: 'the part came to its end', pairs, bound: 0, unit: 'absolute', why: reason })
  }

  #add(figure: Omit<Figure, 'part' | 'error' | 'holds'>): void {
    const { pairs, bound, unit } = figure
    const error = pairs.length === 0 ? Number.NaN : Math.max(...pairs.map(errorIn(unit)))
    // Of floating-point sums, the last digits are not the source's.
    this.all.push({ part: this.#part, ...figure, error, holds: error <= bound + 1e-9 })
  }
}

function errorIn(unit: Figure['unit']): (pair: Pair) => number {
  return ({ expected, found }) => {
    const difference = Math.abs(found - expected)
    return unit === 'absolute' || difference === 0 ? difference : difference / Math.abs(expected)
  }
}

const HEAD = ['part', 'compared', 'values', 'counted', 'error', 'bound', 'why', '']

/** A row for each comparison, and the accounts. */
export function figuresTable({ all, accounts }: Figures): string {
  const texts = accounts.map(({ title, head, rows }) => `${title}\n${table(head, rows)}`)
  return [table(HEAD, all.map(cells)), ...texts].join('\n\n')
}

/** The same for a page, where all hold. */
export function figuresMarkdown({ all, accounts }: Figures): string {
  const row = (words: readonly string[]) => `| ${words.join(' | ')} |`
  const grid = (head: readonly string[], rows: readonly (readonly string[])[]) =>
    [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n')
  const texts = accounts.map(({ title, head, rows }) => `${title}:\n\n${grid(head, rows)}`)
  const rows = all.map((figure) => cells(figure).slice(0, -1))
  return [grid(HEAD.slice(0, -1), rows), ...texts].join('\n\n')
}

/** What does not hold, pair by pair. */
export function failures(figures: readonly Figure[]): string[] {
  return figures.flatMap((figure) => {
    if (figure.holds) return []
    const { part, what, pairs, unit, bound } = figure
    const error = errorIn(unit)
    const wrong = pairs.filter((pair) => !(error(pair) <= bound + 1e-9))
    const words = wrong.map(
      ({ of, expected, found }) => `  ${of}: expected ${expected}, found ${found}`,
    )
    return [`${part}: ${what}:`, ...(pairs.length === 0 ? ['  nothing was compared'] : words)]
  })
}

function cells({ part, what, pairs, error, bound, unit, why, holds }: Figure): string[] {
  return [
    part,
    what,
    String(pairs.length),
    bound === 0 ? counted(pairs) : '',
    shown(error, unit),
    bound === 0 ? '0' : shown(bound, unit),
    why,
    holds ? 'holds' : 'FAILS',
  ]
}

function shown(value: number, unit: Figure['unit']): string {
  if (value === 0) return '0'
  return unit === 'relative'
    ? `${(value * 100).toPrecision(2)} %`
    : String(Number(value.toPrecision(2)))
}

/** How much was counted: the operations of a figure, and its bytes. */
function counted(pairs: readonly Pair[]): string {
  const sum = (bytes: boolean) =>
    pairs
      .filter(({ of, expected }) => /bytes/i.test(of) === bytes && Number.isInteger(expected))
      .reduce((all, { expected }) => all + expected, 0)
  const [operations, bytes] = [sum(false), sum(true)]
  return [
    ...(operations > 0 ? [operations.toLocaleString('en-US')] : []),
    ...(bytes > 0 ? [`${bytes.toLocaleString('en-US')} bytes`] : []),
  ].join('; ')
}
