import type { CaseFacts, StudyResults } from './record.ts'

/** Cases that may be ranked against one another: what they promise of flushed data and what runs their code is the same. */
export interface CaseClass {
  durable: boolean
  accelerator: string
  cases: CaseFacts[]
  /** What its cases are held against. */
  reference: string
}

/** The classes of a study, that of its reference case first. */
export function classesOf({ cases, reference = cases[0]?.name }: StudyResults): CaseClass[] {
  const classes = new Map<string, CaseClass>()
  for (const each of cases) {
    const durable = each.notDurable === undefined
    const key = `${durable} ${each.accelerator}`
    const known = classes.get(key)
    if (known) known.cases.push(each)
    else
      classes.set(key, {
        durable,
        accelerator: each.accelerator,
        cases: [each],
        reference: each.name,
      })
  }
  return [...classes.values()]
    .map((each) => {
      const isHere = each.cases.some(({ name }) => name === reference)
      return isHere ? { ...each, reference: reference! } : each
    })
    .sort((a, b) => Number(b.reference === reference) - Number(a.reference === reference))
}

/** `durable cells, TCG` */
export function className({
  durable,
  accelerator,
}: Pick<CaseClass, 'durable' | 'accelerator'>): string {
  return `${durable ? 'durable cells' : 'cells that are not durable'}, ${accelerator.toUpperCase()}`
}
