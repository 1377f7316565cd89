import { gzipSync } from 'node:zlib'
import { html } from '../../../lib/html.ts'
import type { Analysis } from '../analysis.ts'
import { RULES } from '../conclusions.ts'
import { casesCsv, runsCsv } from '../csv.ts'
import { reportJson } from '../json.ts'
import type { StudyResults } from '../record.ts'
import { arithmeticSection } from './arithmetic-section.ts'
import {
  conclusionsSection,
  inconclusiveSection,
  recommendationsSection,
} from './conclusion-sections.ts'
import type { Chapter, Section } from './document.ts'
import { layersSection, measureSections, timelineSection } from './figure-sections.ts'
import { studyHeader } from './header.ts'
import { manifestSection, runsSection } from './run-sections.ts'

/** All that a report says of one study. `beside` is what it is called next to another, whose places have other names. */
export async function studyChapter(
  study: StudyResults,
  analysis: Analysis,
  beside?: string,
): Promise<Chapter> {
  const sections = [
    ...(await measureSections(analysis)),
    await timelineSection(study, analysis),
    await layersSection(analysis),
    conclusionsSection(analysis),
    inconclusiveSection(analysis),
    recommendationsSection(analysis),
    arithmeticSection(analysis),
    runsSection(study, analysis),
    methodSection(analysis),
    manifestSection(study),
    dataSection(study, analysis),
  ].filter((section) => section !== undefined)
  const id = idOf(beside === undefined ? study.name : `${study.name}-${beside}`)
  return {
    id,
    title: title(study.name, beside),
    header: studyHeader(study, analysis),
    sections: sections.map((section) => ({ ...section, id: `${id}-${section.id}` })),
  }
}

function title(study: string, beside: string | undefined): string {
  return beside === undefined || beside === study ? `Study ${study}` : `Study ${study}, ${beside}`
}

export function idOf(name: string): string {
  return name.replace(/[^\w-]+/g, '-')
}

function methodSection({ seed, measures }: Analysis): Section {
  return {
    id: 'method',
    title: 'How this was concluded',
    body: html`<ol>${RULES.map((rule) => html`<li>${rule}</li>`)}</ol>
<p>Seed of the order of cases and of the resampling: <code>${seed}</code>. What was measured:</p>
<dl>${measures.map(({ title, source }) => html`<dt>${title}</dt><dd>${source}</dd>`)}</dl>`,
  }
}

function dataSection(study: StudyResults, analysis: Analysis): Section {
  const files = [
    {
      name: `${idOf(study.name)}-runs.csv`,
      type: 'text/csv',
      content: runsCsv(study),
      what: 'each run',
    },
    {
      name: `${idOf(study.name)}-cases.csv`,
      type: 'text/csv',
      content: casesCsv(analysis),
      what: 'each case',
    },
    {
      name: `${idOf(study.name)}.json.gz`,
      type: 'application/gzip',
      content: gzipSync(reportJson(study, analysis)),
      what: 'all of it, with the one-second samples; kvmio report reads it',
    },
  ]
  return {
    id: 'data',
    title: 'The data',
    body: html`<p class="download">Every figure can be computed again from these; they are in this file.</p>
<ul class="download">${files.map(({ name, type, content, what }) => {
      const base64 = Buffer.from(content).toString('base64')
      return html`<li><a download="${name}" href="data:${type};base64,${base64}">${name}</a>: ${what}</li>`
    })}</ul>`,
  }
}
