import fc from 'fast-check'
import { KERNEL_WORDS } from './fixtures.ts'

/** Text of all kinds: noise, the words of kernels in any order, JSON, and good text that went through bad hands. */
export function anyInput(samples: readonly string[]): fc.Arbitrary<string> {
  const words = fc.array(fc.constantFrom(...KERNEL_WORDS), { maxLength: 60 })
  return fc.oneof(
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
    { weight: 1, arbitrary: words.map((words) => words.join(' ')) },
    { weight: 1, arbitrary: words.map((words) => words.join('')) },
    { weight: 1, arbitrary: fc.json() },
    { weight: 6, arbitrary: damaged(samples) },
  )
}

type Damage = (text: string, at: number, length: number, noise: string) => string

const DAMAGES: Record<string, Damage> = {
  'cut at the end': (text, at) => text.slice(0, at),
  'cut at the beginning': (text, at) => text.slice(at),
  'a hole': (text, at, length) => text.slice(0, at) + text.slice(at + length),
  'a bit flipped': (text, at, length) =>
    text.slice(0, at) +
    String.fromCharCode(text.charCodeAt(at) ^ (1 << (length % 8))) +
    text.slice(at + 1),
  'something in between': (text, at, _, noise) => text.slice(0, at) + noise + text.slice(at),
  'a word for a value': (text, at, length, noise) => {
    const values = [...text.matchAll(/-?\d+(\.\d+)?|"[^"]*"|null|true|false/g)]
    const value = values[at % Math.max(1, values.length)]
    const others = ['null', '{}', '[]', '-1', '1e400', '""', '[null]', JSON.stringify(noise)]
    if (!value) return text
    const rest = text.slice(value.index + value[0].length)
    return text.slice(0, value.index) + others[length % others.length]! + rest
  },
  'a line twice': (text, at) => ofLines(text, at, (line) => [line, line]),
  'a line less': (text, at) => ofLines(text, at, () => []),
  'two lines changed about': (text, at, length) => {
    const lines = text.split('\n')
    const [a, b] = [at % lines.length, (at + length) % lines.length]
    const [first, second] = [lines[a]!, lines[b]!]
    return lines.with(a, second).with(b, first).join('\n')
  },
}

function damaged(samples: readonly string[]): fc.Arbitrary<string> {
  const damage = fc.tuple(
    fc.constantFrom(...Object.values(DAMAGES)),
    fc.nat(),
    fc.nat(40),
    fc.string(),
  )
  return fc
    .tuple(fc.constantFrom(...samples), fc.array(damage, { minLength: 1, maxLength: 4 }))
    .map(([sample, damages]) =>
      damages.reduce(
        (text, [apply, at, length, noise]) => apply(text, at % (text.length + 1), length, noise),
        sample,
      ),
    )
}

function ofLines(text: string, at: number, change: (line: string) => string[]): string {
  const lines = text.split('\n')
  const index = at % lines.length
  return lines.toSpliced(index, 1, ...change(lines[index]!)).join('\n')
}

type Holder = Record<string, unknown>

/** Text that holds JSON, with each of its values in turn replaced by each kind of another; nothing of other text. */
export function* withOtherValues(text: string): Generator<string> {
  const begin = text.search(/[[{]/)
  const root = { value: json(text.slice(Math.max(0, begin))) }
  if (root.value === undefined) return
  for (const { holder, key } of placesOf(root)) {
    const own = holder[key]
    for (const other of [null, {}, [], [null], -1, 1.5, '', 'x', true, [own]]) {
      holder[key] = other
      yield text.slice(0, begin) + JSON.stringify(root.value)
    }
    holder[key] = own
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function placesOf(holder: Holder): { holder: Holder; key: string }[] {
  return Object.entries(holder).flatMap(([key, value]) => {
    const below = typeof value === 'object' && value !== null ? placesOf(value as Holder) : []
    return [{ holder, key }, ...below]
  })
}
