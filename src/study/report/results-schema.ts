import { z } from 'zod'
import { LAYERS, RUN_OUTCOMES, type StudyResults } from './record.ts'

// The shape of results in a file: it may come from another host, and another version of this program.

const text = z.string('text')
const figure = z.number('a number')
const counts = z.object({
  reads: figure.optional(),
  writes: figure.optional(),
  flushes: figure.optional(),
  readBytes: figure.optional(),
  writtenBytes: figure.optional(),
})

const caseFacts = z.object({
  name: text,
  factors: z.record(text, text),
  traits: z.object({
    bus: text,
    format: text,
    preallocation: text,
    cache: text,
    filesystem: text.optional(),
    mountOptions: text.optional(),
    volume: z.boolean('true or false'),
    hostCache: text,
  }),
  tier: text,
  accelerator: text,
  notDurable: text.optional(),
})

const run = z.object({
  id: figure,
  case: text,
  block: figure,
  outcome: z.enum(RUN_OUTCOMES, `one of ${RUN_OUTCOMES.join(', ')}`),
  reason: text.optional(),
  remarks: z.array(text, 'a list'),
  startedAt: figure,
  seconds: figure,
  vms: figure,
  phases: z.array(z.object({ name: text, seconds: figure }), 'a list'),
  layers: z.partialRecord(z.enum(LAYERS), counts),
  fioOperationsPerSecond: figure.optional(),
  samples: z.array(
    z.object({
      second: figure,
      device: figure.optional(),
      vms: figure.optional(),
      phase: text.optional(),
    }),
    'a list',
  ),
  manifest: z.record(text, z.unknown()),
})

export const resultsSchema: z.ZodType<StudyResults> = z.object({
  name: text,
  seed: figure,
  reference: text.optional(),
  measure: text.optional(),
  scale: text.optional(),
  cases: z.array(caseFacts, 'a list'),
  skipped: z.array(z.object({ case: text, reason: text }), 'a list'),
  runs: z.array(run, 'a list'),
})
