import { test } from 'tap'
import { demandSchema } from '../../src/config/density-schema.ts'
import { statedDemand } from '../../src/study/stated-demand.ts'
import { spaceRoom } from '../../src/study/vm-space.ts'
import { drive, guest } from './configs.ts'

const rated = { classes: [], rated: 100 }

test('a demand in time of the tier', async (t) => {
  const stated = (text: unknown, capacity: Parameters<typeof statedDemand>[1] = rated) =>
    statedDemand(demandSchema.parse(text), capacity)

  t.strictSame(statedDemand(undefined, rated), {})
  t.strictSame(stated({ cpu: '5%' }), {})
  t.strictSame(stated({ deviceTime: { mean: '4%', sigma: '6%' }, correlation: '10%' }), {
    demand: { mean: 0.04, sigma: 0.06, correlation: 0.1 },
  })
  t.strictSame(
    stated({ transactionsPerSecond: { mean: 5 } }),
    { demand: { mean: 0.05, sigma: 0.1, correlation: 0 }, mix: { 'random-write': 1 } },
    "the paper's vm",
  )
  t.strictSame(
    stated({ transactionsPerSecond: { mean: 5 } }, { classes: [] }),
    { mix: { 'random-write': 1 } },
    'nobody knows what they cost',
  )
  const read = { class: 'random-read', peak: 500, baseLatency: 0.002, residual: 0 } as const
  t.strictSame(
    stated(
      {
        transactionsPerSecond: { mean: 5, sigma: 0, class: 'random-read' },
        boot: { transactionsPerSecond: 50, transactions: 1000 },
      },
      { classes: [read], rated: 100 },
    ),
    {
      demand: { mean: 0.01, sigma: 0, correlation: 0 },
      mix: { 'random-read': 1 },
      boot: { demand: 0.1, work: 2 },
    },
    'calibrated before rated',
  )
})

test('the space of one vm', async (t) => {
  const GIB = 2 ** 30
  const raw = drive({ format: 'raw', size: GIB })
  const two = guest({
    system: { kernel: '/boot/vmlinuz', append: '' },
    drives: { root: raw, data: { ...raw, tier: 'other', size: 3 * GIB } },
  })
  t.strictSame(spaceRoom(two, 'local', 8 * GIB), { room: 8 * GIB, each: GIB })
  t.strictSame(spaceRoom(two, 'other', 8 * GIB), { room: 8 * GIB, each: 3 * GIB })
  t.strictSame(spaceRoom(two, 'third', 8 * GIB).each, 4 * GIB, 'as if all were there')
  const thin = guest({ drives: { root: drive({ size: GIB }) } })
  const { each } = spaceRoom(thin, 'local', 8 * GIB)
  t.ok(each > GIB && each < 1.001 * GIB, `grown as far as it can: ${each}`)
  const stated = { ...thin, demand: demandSchema.parse({ space: '100MiB' }) }
  t.equal(spaceRoom(stated, 'local', 8 * GIB).each, 100 * 2 ** 20)
  const layered = guest({ drives: { root: { ...raw, format: 'qcow2', backing: 1 } } })
  t.equal(spaceRoom(layered, 'local', 8 * GIB).room, 7 * GIB, 'what all vms share is once there')
})
