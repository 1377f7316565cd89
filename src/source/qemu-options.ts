// The values of qemu's options: qemu(1), util/keyval.c and util/qemu-option.c. A comma in a value is written twice.

/** What an option says, as JSON would. */
export type OptionTree = { [key: string]: unknown }

/**
 * `driver=qcow2,file.driver=file,file.filename=/a,,b` or the same as JSON. A word without `=` at the beginning is the
 * value of the key that is meant, and elsewhere a switch that is on. Undefined for a JSON text that is none.
 */
export function parseOption(text: string, firstKey: string): OptionTree | undefined {
  if (text.startsWith('{')) return parseJsonObject(text)
  const tree: OptionTree = Object.create(null)
  for (const [index, word] of wordsOf(text).entries()) {
    const at = word.indexOf('=')
    if (at > 0) put(tree, word.slice(0, at).split('.'), word.slice(at + 1))
    else if (index === 0) put(tree, [firstKey], word)
    else put(tree, [word], 'on')
  }
  return tree
}

export function parseJsonObject(text: string): OptionTree | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isTree(value) ? value : undefined
  } catch {
    return undefined
  }
}

export function isTree(value: unknown): value is OptionTree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A text; a number and a truth as JSON has them are one too. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}

/** on, yes, true and y are true (qapi/string-input-visitor.c). */
export function isOn(value: unknown): boolean | undefined {
  const text = textOf(value)
  if (text === undefined) return undefined
  if (['on', 'yes', 'true', 'y'].includes(text)) return true
  return ['off', 'no', 'false', 'n'].includes(text) ? false : undefined
}

/** A number of bytes: `size=1048576k`, `4G`; a bare number is in units of the option's own. */
export function bytesOf(value: unknown, unit: number): number | undefined {
  const [, amount, suffix] = /^(\d+(?:\.\d+)?)([BKMGTPE]?)$/i.exec(textOf(value) ?? '') ?? []
  if (amount === undefined) return undefined
  const scale = suffix ? 1024 ** 'BKMGTPE'.indexOf(suffix.toUpperCase()) : unit
  const bytes = Number(amount) * scale
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** Split at commas that stand alone. */
function wordsOf(text: string): string[] {
  const words = ['']
  for (let at = 0; at < text.length; at++) {
    const isComma = text[at] === ','
    if (isComma && text[at + 1] !== ',') words.push('')
    else words[words.length - 1] += text[isComma ? ++at : at]!
  }
  return words.filter((word) => word !== '')
}

function put(tree: OptionTree, path: readonly string[], value: string): void {
  let place = tree
  for (const key of path.slice(0, -1)) {
    const inner = place[key]
    const next: OptionTree = isTree(inner) ? inner : Object.create(null)
    place[key] = next
    place = next
  }
  place[path.at(-1)!] = value
}
