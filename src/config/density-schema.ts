import { z } from 'zod'
import { bytes, share } from './values.ts'

// What is said of density: every key with its rule, its default and what it is for.

export const OPERATION_CLASSES = [
  'random-read',
  'random-write',
  'sequential-read',
  'sequential-write',
  'synced-write',
] as const

const NOT_NEGATIVE = 'a number from 0'
const above = z.number(NOT_NEGATIVE).min(0, NOT_NEGATIVE)

const Z = 'a number from 0 to 10'

/** How careful kvmio is when it says how many vms fit. */
export const densitySchema = z.strictObject({
  // The 95th percentile: a ramp asks for the target in 95 % of the seconds.
  zScore: z
    .number(Z)
    .min(0, Z)
    .max(10, Z)
    .default(1.645)
    .describe('Standard deviations that the method sigma keeps free above the mean'),
  utilisationCap: share('1%', '100%')
    .prefault('70%')
    .describe('What a tier may be filled to where no target latency says more'),
  cpuCap: share('1%', '100%')
    .prefault('80%')
    .describe('What the processors of the host may be filled to'),
  memoryReserve: bytes('0B', '1TiB')
    .prefault('1GiB')
    .describe('Memory that stays with the host: its own programs, its page cache'),
})

export type DensityConfig = z.output<typeof densitySchema>

const transactions = z.strictObject({
  mean: above.describe('Transactions per second, on average'),
  sigma: above
    .optional()
    .describe('Standard deviation of what is asked in one second; twice the mean by default'),
  class: z
    .enum(OPERATION_CLASSES)
    .default('random-write')
    .describe('What they cost on a tier that has been calibrated'),
})

const deviceTime = z.strictObject({
  mean: share('0%', '1000%').describe("Share of a second of the tier's time, on average"),
  sigma: share('0%', '1000%')
    .optional()
    .describe('Standard deviation of what is asked in one second; twice the mean by default'),
})

const boot = z.strictObject({
  transactionsPerSecond: above.describe('What a boot asks that nothing slows down'),
  transactions: above.optional().describe('What a whole boot takes'),
})

/** What one vm of a guest asks of a tier and of the host, where the user knows it better than kvmio. */
export const demandSchema = z.strictObject({
  transactionsPerSecond: transactions
    .optional()
    .describe('What one vm asks of the tier that its drives are on, in transactions'),
  deviceTime: deviceTime
    .optional()
    .describe('The same in time of the tier, in place of transactions'),
  correlation: share('0%', '100%')
    .prefault('0%')
    .describe('How far two vms are busy in the same seconds'),
  boot: boot
    .optional()
    .describe('What a boot asks, where one more vm must be able to boot while the others serve'),
  cpu: share('0%', '6400%')
    .optional()
    .describe("Share of a processor's time that one vm takes, on average"),
  memory: bytes('1MiB', '1TiB')
    .optional()
    .describe('Memory of the host that one vm takes, that of its qemu counted in'),
  space: bytes('0B').optional().describe('What the images of one vm come to take on a tier'),
})

export type DemandConfig = z.output<typeof demandSchema>
