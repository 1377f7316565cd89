// What the tests need of PromQL: which series an expression asks for, and with what. Prometheus itself says whether it is right.

export interface Selector {
  name: string
  /** The text between its braces. */
  matchers: string
  /** The functions and aggregations around it, the innermost first. */
  within: string[]
  /** The text between its brackets. */
  range?: string
}

const WORD = /[a-zA-Z_:][\w:]*/y
const KEYWORDS = new Set(
  'by without on ignoring group_left group_right and or unless bool offset inf nan atan2 start end'.split(
    ' ',
  ),
)

/** All selectors of an expression, from left to right. */
export function selectors(expr: string): Selector[] {
  const found: Selector[] = []
  const stack: string[] = []
  let pending = ''
  for (let at = 0; at < expr.length; ) {
    WORD.lastIndex = at
    const word = WORD.exec(expr)?.[0]
    if (word !== undefined) {
      at += word.length
      const rest = expr.slice(at)
      const next = /^\s*(.)/.exec(rest)?.[1]
      if (['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'].includes(word)) {
        // The labels in its parentheses are no series; the aggregation before `by` still waits for its own.
        at += /^\s*\([^)]*\)/.exec(rest)?.[0].length ?? 0
      } else if (next === '(' || (/^\s*(by|without)\b/.test(rest) && !KEYWORDS.has(word))) {
        if (!KEYWORDS.has(word)) pending = word
      } else if (!KEYWORDS.has(word)) {
        const braces = /^\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\}/.exec(rest)
        at += braces?.[0].length ?? 0
        const range = /^\[([^\]]*)\]/.exec(expr.slice(at))
        at += range?.[0].length ?? 0
        found.push({
          name: word,
          matchers: braces?.[1] ?? '',
          within: stack.filter((name) => name !== '').reverse(),
          ...(range ? { range: range[1]! } : {}),
        })
      }
      continue
    }
    const one = expr[at]!
    if (one === '"') {
      at += /^"(?:[^"\\]|\\.)*"/.exec(expr.slice(at))?.[0].length ?? 1
      continue
    }
    // A number, with its exponent or unit, is no word.
    const number = /^\d[\w.]*/.exec(expr.slice(at))?.[0]
    if (number !== undefined) {
      at += number.length
      continue
    }
    if (one === '(') {
      stack.push(pending)
      pending = ''
    }
    if (one === ')') stack.pop()
    at += 1
  }
  return found
}
