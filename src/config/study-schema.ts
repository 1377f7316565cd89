import { z } from 'zod'
import { name, nameOf, seconds, share, whole } from './values.ts'
import { workloadSchema } from './workload-schema.ts'

// Every key of a study with its rule, its default and what it is for.

export const HOST_CACHES = ['warm', 'cold'] as const

/** Cases and values of factors are parts of vms' names, which have 63 characters in all. */
const MAX_CASE_NAME = 48
export const caseNameSchema = nameOf(MAX_CASE_NAME)

const factorValue = z.union([z.string(), z.number(), z.boolean()], 'text, a number, true or false')

/** Keys as dotted paths, each with one value. */
export const settingsSchema = z.record(z.string(), factorValue)

const VALUES = 'a list of values, or a mapping of names to values'

const factor = z.union(
  [
    z.array(factorValue).min(1, 'at least one value'),
    z
      .record(
        caseNameSchema,
        z.union([factorValue, settingsSchema], 'a value or a mapping of keys'),
      )
      .refine((values) => Object.keys(values).length > 0, 'at least one value'),
  ],
  VALUES,
)

const MAX_BLOCKS = 10_000
const BLOCKS = `a whole number from 1 to ${MAX_BLOCKS}, or a mapping with min, max and width`

const blockRule = z.strictObject({
  min: whole(1, MAX_BLOCKS).default(6).describe('As many at the least'),
  max: whole(1, MAX_BLOCKS).default(30).describe('As many at the most'),
  width: share('0.1%', '100%')
    .prefault('5%')
    .describe("Half the width of the interval of every case's median, as a share of the median"),
})

const blocks = z
  .union([whole(1, MAX_BLOCKS), blockRule], BLOCKS)
  .transform((given): BlockRule => (typeof given === 'number' ? { min: given, max: given } : given))

/** How often each case runs: until the intervals are narrow, or a fixed number when there is no width. */
export interface BlockRule {
  min: number
  max: number
  width?: number
}

const referenceRule = z.strictObject({
  case: z.string('the name of a case').describe('The case'),
  drift: share('0.1%', '100%')
    .prefault('5%')
    .describe('How far its runs of a block may lie apart, as a share of their median'),
  repeats: whole(0, 100)
    .default(2)
    .describe('How often a block that drifted is run again at the most'),
})

const reference = z
  .union([z.string(), referenceRule], 'the name of a case, or a mapping with case')
  .transform(
    (given): ReferenceRule =>
      typeof given === 'string' ? referenceRule.parse({ case: given }) : given,
  )

/** The case that runs at the start, in the middle and at the end of each block. */
export type ReferenceRule = z.output<typeof referenceRule>

/** A matrix of factors; some of its keys can be factors themselves (factors.ts). */
export const studySchema = z.strictObject({
  guest: z.string('the name of a guest').describe('The guest that every case starts from'),
  settings: settingsSchema
    .default({})
    .describe('Keys of the guest that all cases have otherwise than it, as dotted paths'),
  vms: whole(1, 500).default(1).describe('How many vms of it run at once'),
  stagger: seconds()
    .prefault('0s')
    .describe("The pause between the starts of a run's vms; 0s starts all of them at once"),
  hostCache: z
    .enum(HOST_CACHES)
    .default('warm')
    .describe(
      "The host's page cache when the vms start: warm, with all that host-cached drives read in it; cold, emptied (root)",
    ),
  workload: workloadSchema.describe('What each vm does'),
  factors: z
    .record(z.string(), factor)
    .default({})
    .describe(
      'Keys of the guest, or workload, vms, stagger or hostCache, as dotted paths, each with the values to vary it over; or a name of your own with names for what varies together',
    ),
  include: z
    .array(settingsSchema)
    .default([])
    .describe('More values for the cases that an entry matches, or one more case'),
  exclude: z
    .array(settingsSchema)
    .default([])
    .describe('Values of factors; the cases that have them all are left out'),
  reference: reference
    .optional()
    .describe('The case that runs at the start, in the middle and at the end of each block'),
  measure: z
    .string('a phase, or tps')
    .optional()
    .describe(
      'What the cases are compared by: how long a phase takes, or tps; by default what the workload is about',
    ),
  blocks: blocks
    .prefault(6)
    .describe('How often each case runs, unless the schedule is continuous; or the rule for it'),
  pause: seconds().prefault('10s').describe('The rest between two runs'),
  neighbours: share('0.1%', '100%')
    .optional()
    .describe(
      "How much others may do on a tier's device beside a run, as a share of what the run does; above it the run is void. Not judged by default",
    ),
  tries: whole(1, 20)
    .default(3)
    .describe('How often a case that turns out void is run at the most, each time that it is due'),
  seed: whole(0, 2 ** 31)
    .optional()
    .describe('Of the random order of cases; drawn and recorded by default'),
  scale: z
    .string('a sentence')
    .min(1, 'a sentence')
    .max(200, 'at most 200 characters')
    .optional()
    .describe('What is smaller than in the study that it repeats; reports show it'),
  schedule: z
    .literal('continuous')
    .optional()
    .describe('Started by serve, block after block, without end'),
})

/** Studies by name. */
export const studiesSchema = z.record(name, studySchema)

/** A file of studies that use the tiers and guests of the main config file. */
export const suiteSchema = z.strictObject({
  studies: studiesSchema.describe('Matrices of factors, each point measured again and again'),
})

/** A suite that is another one with some values changed. */
export const derivedSuiteSchema = z.strictObject({
  extends: z.string('a path').min(1, 'a path').describe('The suite file, beside this one'),
  scale: studySchema.shape.scale.unwrap().describe('What is smaller than there; reports show it'),
  settings: settingsSchema
    .default({})
    .describe('Keys of guest or workload, set in each study that has them'),
  blocks: blocks.optional().describe('How often each case runs, in place of what the studies say'),
  pause: seconds().optional().describe('The rest between two runs, in place of what they say'),
  drift: referenceRule.shape.drift
    .unwrap()
    .optional()
    .describe('How far runs of the reference case may lie apart, in place of what they say'),
})

export type DerivedSuite = z.output<typeof derivedSuiteSchema>
