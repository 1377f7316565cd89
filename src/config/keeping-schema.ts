import { z } from 'zod'
import { bytes, seconds } from './values.ts'

// What kvmio keeps and for how long: every key with its rule and its default.

const TEN_YEARS = '3650d'

const limits = (age: string | undefined, size: string | undefined, what: string) => {
  const oldest = seconds('1h', TEN_YEARS)
  const largest = bytes('1MiB', '16TiB')
  return z
    .strictObject({
      age: (age === undefined ? oldest.optional() : oldest.prefault(age)).describe(
        'What is older goes',
      ),
      size: (size === undefined ? largest.optional() : largest.prefault(size)).describe(
        'With more than this the oldest go',
      ),
    })
    .prefault({})
    .describe(what)
}

/** How long what is large is kept. Runs, phases and counts are kept for ever: a year of them is some megabytes. */
export const retentionSchema = z.strictObject({
  samples: limits('90d', '1GiB', "The seconds of runs in the journal; a run's figures stay"),
  images: limits(
    '90d',
    undefined,
    'Systems that kvmio built and no run has used since; those that it built for `keep` stay',
  ),
})

export type RetentionConfig = z.output<typeof retentionSchema>

/** What studies leave free. */
export const freeSpaceFloorSchema = bytes('0B', '16TiB')
  .prefault('2GiB')
  .describe(
    'Studies pause before less than this, or a tenth of the filesystem if that is less, is free where they write',
  )
