import { median } from 'simple-statistics'
import { steadyState } from '../statistics/steady-state.ts'
import { type CaseClass, className } from './classes.ts'
import type { BlockValues } from './compare.ts'
import type { Inconclusive } from './conclusions.ts'
import { count, formatFigure, list } from './format.ts'
import type { Measure } from './measures.ts'
import { RUN_OUTCOMES, type StudyResults } from './record.ts'

/** What lies outside of any comparison and narrows what all of them say. */
export function cautionsOf(
  study: StudyResults,
  classes: readonly CaseClass[],
  values: BlockValues,
  measure: Measure,
): Inconclusive[] {
  return [
    ...scaleCaution(study),
    ...tcgCaution(study),
    ...classCaution(classes),
    ...outcomeCautions(study),
    ...remarkCautions(study),
    ...changeCaution(study),
    ...driftCaution(classes, values, measure),
    ...study.skipped.map(({ case: name, reason }) => ({
      subject: `Case ${name}`,
      why: reason,
    })),
  ]
}

function scaleCaution({ scale }: StudyResults): Inconclusive[] {
  return scale === undefined
    ? []
    : [{ subject: 'Anything of the full size', why: `the study was scaled down: ${scale}` }]
}

function tcgCaution({ cases }: StudyResults): Inconclusive[] {
  const tcg = cases.filter(({ accelerator }) => accelerator === 'tcg')
  if (tcg.length === 0) return []
  const which = tcg.length === cases.length ? 'All cases' : list(tcg.map(({ name }) => name))
  return [
    {
      subject: 'Figures of KVM guests',
      why: `${which} ran under TCG, where the guest’s processor is emulated: what costs processor time costs many times more, so directions may hold and ratios of times need not; counts of operations and bytes are not touched by it`,
    },
  ]
}

function classCaution(classes: readonly CaseClass[]): Inconclusive[] {
  if (classes.length < 2) return []
  return [
    {
      subject: `${list(classes.map(className))} against one another`,
      why: 'what survives a crash and what runs the guest’s code are part of what a figure costs',
    },
  ]
}

function outcomeCautions({ runs }: StudyResults): Inconclusive[] {
  return RUN_OUTCOMES.filter((outcome) => outcome !== 'passed').flatMap((outcome) => {
    const those = runs.filter((run) => run.outcome === outcome)
    if (those.length === 0) return []
    const reasons = tally(
      those.map(({ case: name, reason = 'no reason was given' }) => `${name}: ${reason}`),
    )
    const subject = `${count(those.length, 'run')} of ${runs.length} ${those.length === 1 ? 'is' : 'are'} ${outcome} and left out`
    return [{ subject, why: reasons.join('; ') }]
  })
}

function remarkCautions({ runs }: StudyResults): Inconclusive[] {
  const passed = runs.filter(({ outcome }) => outcome === 'passed')
  const remarks = Map.groupBy(
    passed.flatMap(({ remarks }) => remarks),
    (remark) => remark,
  )
  if (remarks.size === 0) return []
  const why = [...remarks].map(
    ([remark, those]) => `in ${those.length} of ${count(passed.length, 'run')} ${remark}`,
  )
  return [{ subject: 'That only storage was measured', why: why.join('; ') }]
}

/** `reason (3 times)`, the most frequent first. */
function tally(reasons: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const most = [...counts].sort(([, a], [, b]) => b - a)
  const shown = most.slice(0, 8).map(([reason, n]) => (n === 1 ? reason : `${reason} (${n} times)`))
  return most.length > 8 ? [...shown, `and ${most.length - 8} other reasons`] : shown
}

function changeCaution({ runs }: StudyResults): Inconclusive[] {
  const changed = ['kvmio', 'qemu', 'kernel', 'host', 'processor'].flatMap((key) => {
    const seen = new Set(runs.flatMap(({ manifest }) => String(manifest[key] ?? '') || []))
    return seen.size > 1 ? [`${key} was ${list([...seen])}`] : []
  })
  return changed.length === 0
    ? []
    : [{ subject: 'That the host stayed the same', why: `${changed.join('; ')}` }]
}

function driftCaution(
  classes: readonly CaseClass[],
  values: BlockValues,
  measure: Measure,
): Inconclusive[] {
  return classes.flatMap(({ reference }) => {
    const own = [...values]
      .sort(([a], [b]) => a - b)
      .flatMap(([, block]) => block.get(reference) ?? [])
    const state = steadyState(own)
    if (!state || state.steady) return []
    const percent = (share: number) => `${formatFigure(share * 100)} %`
    const why = `over its last five blocks ${measure.title.toLowerCase()} ranges over ${percent(state.range)} of its mean and drifts by ${percent(state.drift)} (20 % and 10 % are SNIA’s limits; the median is ${formatFigure(median(own))} ${measure.unit})`
    return [{ subject: `That ${reference} was in a steady state`, why }]
  })
}
