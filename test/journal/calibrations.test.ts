import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { TierConfig } from '../../src/config/schema.ts'
import type { OperationClass } from '../../src/density/records.ts'
import {
  abandonCalibrations,
  calibrationsOf,
  endCalibration,
  goodCalibrations,
  recordCalibration,
} from '../../src/journal/calibrations.ts'
import { Journal } from '../../src/journal/journal.ts'
import { openReader } from '../../src/journal/reader.ts'
import { calibrationBasis, calibrationInForce } from '../../src/study/calibration/in-force.ts'

const CONFIG = { directory: '/tiers/sata', target: { latency: 0.05 } } as TierConfig

function result(...classes: [name: OperationClass, peak: number][]) {
  return {
    classes: classes.map(([name, peak]) => ({
      capacity: { class: name, peak, baseLatency: 1 / peak, residual: 0 },
      points: [],
      notes: [],
    })),
  }
}

t.test('what is in force of a tier', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-journal-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'journal.sqlite')
  let now = 1000
  const journal = new Journal(file, () => now++)
  t.teardown(() => journal.close())
  const record = (tier = 'sata', config = CONFIG) =>
    recordCalibration(journal, { tier, manifest: { tier: calibrationBasis(config), quick: true } })
  const inForce = (config = CONFIG) => calibrationInForce(journal, 'sata', config)
  t.equal(inForce(), undefined)

  const first = record()
  t.equal(inForce(), undefined, 'one that goes on is not')
  endCalibration(journal, first, { result: result(['random-read', 100], ['random-write', 90]) })
  t.match(inForce(), { endedAt: 1001, classes: [{ peak: 100 }, { peak: 90 }] })

  endCalibration(journal, record(), { reason: 'the time limit was reached' })
  t.match(inForce(), { endedAt: 1001 }, 'one that did not end well is not either')

  endCalibration(journal, record(), { result: result(['random-read', 50]) })
  t.strictSame(
    inForce()?.classes.map(({ class: name, peak }) => [name, peak]),
    [
      ['random-read', 50],
      ['random-write', 90],
    ],
    'of each class the newest',
  )
  t.equal(inForce()?.endedAt, 1005)

  const promises = { ...CONFIG, target: { latency: 1 }, capacity: { transactionsPerSecond: 5 } }
  t.ok(inForce(promises), 'what is promised changes nothing of it')
  t.equal(inForce({ directory: '/tiers/nvme' } as TierConfig), undefined, 'another disk does')
  endCalibration(journal, record('nvme'), { result: result(['random-read', 7]) })
  t.equal(inForce()?.classes[0]?.peak, 50, "another tier's is its own")

  const id = record()
  t.strictSame(abandonCalibrations(journal, 'kvmio was killed'), ['sata'])
  endCalibration(journal, id, { result: result(['random-read', 1]) })
  t.equal(inForce()?.classes[0]?.peak, 50, 'what has ended stays as it is')
  t.match(calibrationsOf(journal, 'sata').at(-1), { id, reason: 'kvmio was killed' })
  t.equal(calibrationsOf(journal, 'sata').length, 4)
  t.equal(goodCalibrations(journal, 'sata').length, 2)

  using reader = openReader(file)
  t.strictSame(calibrationInForce(reader, 'sata', CONFIG), inForce(), 'read beside the writer')
})
