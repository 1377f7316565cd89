import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { TierConfig } from '../../../src/config/schema.ts'
import { calibrationsOf } from '../../../src/journal/calibrations.ts'
import { Journal } from '../../../src/journal/journal.ts'
import { readSpace } from '../../../src/source/mounts.ts'
import { readSignatures } from '../../../src/source/signatures.ts'
import {
  calibrationFile,
  makePlace,
  refusalOf,
  removeCalibrationFiles,
} from '../../../src/storage/calibration/place.ts'
import { Leases } from '../../../src/storage/lease.ts'
import { missingPrograms } from '../../../src/storage/programs.ts'
import { type OpenTier, openTier } from '../../../src/storage/tiers.ts'
import {
  type CalibrationContext,
  calibrate,
  removeOrphanCalibrations,
} from '../../../src/study/calibration/calibrate.ts'
import type { CalibrationEvent, CalibrationTask } from '../../../src/study/calibration/records.ts'
import { layOut } from '../../../src/study/calibration/sweep.ts'
import { diskFor } from '../../storage/block-device.ts'
import { cannotMakeDisks, stateFor, tmpfs } from '../../storage/state.ts'

const MIB = 2 ** 20
const FLOOR = 16 * MIB
const noFio = (await missingPrograms(['fio', 'setpriv'])) ?? false
const noDevice = noFio || (await cannotMakeDisks('wipefs'))
const noDisks = await cannotMakeDisks()
const noMounts = process.geteuid?.() === 0 ? false : 'needs root for mounts'

const TASK: CalibrationTask = {
  tier: 'local',
  classes: ['random-read', 'random-write'],
  quick: true,
  timeLimit: 60,
}

async function directoryTier(t: Test, directory?: string): Promise<OpenTier> {
  const context = await stateFor(t)
  const config = { directory: directory ?? join(context.stateDir, 'local') } as TierConfig
  return await openTier('local', config, context)
}

function contextOf(t: Test, open: OpenTier, more: Partial<CalibrationContext> = {}) {
  const journal = new Journal(join(open.context.stateDir, 'journal.sqlite'))
  t.teardown(() => journal.close())
  const context: CalibrationContext = {
    journal,
    leases: new Leases(),
    tier: (name) => (name === 'local' ? open : undefined),
    manifest: async () => ({ kvmio: 'test' }),
    freeSpaceFloor: () => FLOOR,
    devices: async () => [],
    ...more,
  }
  return context
}

t.test('where kvmio does not write', async (t) => {
  const refused = (tier: object, config: object = {}) =>
    refusalOf({ tier, config } as Pick<OpenTier, 'tier' | 'config'>)
  t.equal(refused({ name: 'local', kind: 'directory' }), undefined)
  t.equal(
    refused({ name: 'local', kind: 'directory', unavailable: 'its filesystem is read-only' }),
    'tier local is unavailable: its filesystem is read-only',
  )
  t.equal(
    refused({ name: 'net', kind: 'url', target: 'nbd://127.0.0.1/x' }),
    'tier net is nbd://127.0.0.1/x, where fio of this host cannot write; rate it with capacity.transactionsPerSecond',
  )
  const disk = { name: 'disk', kind: 'device', target: '/dev/disk/by-id/ata-EXAMPLE' }
  t.equal(
    refused(disk),
    'tier disk is /dev/disk/by-id/ata-EXAMPLE, all of which a calibration would write to; it may with "overwrite: yes-destroy-ata-EXAMPLE" in the config',
  )
  t.equal(refused(disk, { overwrite: 'yes-destroy-ata-EXAMPLE' }), undefined)
})

t.test('a file of its own, of half of what is free at the most', { skip: noMounts }, async (t) => {
  const open = await directoryTier(t, await tmpfs(t, 'size=48m'))
  const { directory } = open.tier
  const place = await makePlace(open, 2 ** 30, 0)
  t.equal(place.bytes, 24 * MIB)
  t.equal(place.path, calibrationFile(directory!, open.context.stateDir))
  t.strictSame(await readdir(directory!), [place.path.split('/').at(-1)])
  await place.release()
  t.strictSame(await readdir(directory!), [])
  t.equal((await makePlace(open, 20 * MIB, 0)).bytes, 20 * MIB)

  const full = await directoryTier(t, await tmpfs(t, 'size=20m'))
  await t.rejects(makePlace(full, 2 ** 30, 0), {
    name: 'UnavailableError',
    message:
      'tier local has 20 MiB free; a calibration takes half of that at the most, and 16 MiB at least',
  })
  const kept = await directoryTier(t, await tmpfs(t, 'size=200m'))
  // Of a small filesystem a tenth is what is kept.
  await writeFile(join(kept.tier.directory!, 'other'), Buffer.alloc(160 * MIB))
  await (await makePlace(kept, 16 * MIB, 2 ** 40)).release()
  await writeFile(join(kept.tier.directory!, 'another'), Buffer.alloc(6 * MIB))
  await t.rejects(makePlace(kept, 16 * MIB, 2 ** 40), {
    message: /^tier local: .* has 34 MiB free, of which a run can take 16 MiB, and 20 MiB are/,
  })
})

t.test(
  'a device that may be overwritten, and is empty afterwards',
  { skip: noDevice },
  async (t) => {
    const disk = await diskFor(t, 64 * MIB)
    const overwrite = `yes-destroy-${disk.name}`
    const config = { device: disk.path, overwrite } as TierConfig
    const open = await openTier('bare', config, await stateFor(t))
    t.teardown(() => open.close())
    t.equal(open.tier.unavailable, undefined)
    const place = await makePlace(open, 32 * MIB, 0)
    t.strictSame([place.path, place.bytes], [disk.path, 32 * MIB])
    const empty = await disk.hash()
    const { target } = await layOut(place, new AbortController().signal)
    t.strictSame(target, { path: disk.path, bytes: 32 * MIB })
    t.not(await disk.hash(), empty, 'beside the claim of kvmio')
    await place.release()
    t.strictSame(await readSignatures(disk.path), [])
    const { config: plain, ...rest } = open
    const refusal = refusalOf({ ...rest, config: { device: plain.device } as TierConfig })
    t.match(refusal, `"overwrite: ${overwrite}"`)
  },
)

t.test('waits for who has the tier, and a Ctrl-C ends the waiting', { skip: noFio }, async (t) => {
  const open = await directoryTier(t)
  const context = contextOf(t, open)
  const held = await context.leases.acquire(['local'], 'study demo')
  const ending = new AbortController()
  const events: CalibrationEvent[] = []
  const working = calibrate(
    TASK,
    context,
    (event) => {
      events.push(event)
      ending.abort('SIGINT')
    },
    ending.signal,
  )
  await working.then(
    () => t.fail('it went on'),
    (reason) => t.equal(reason, 'SIGINT'),
  )
  t.strictSame(events, [{ type: 'waiting', tier: 'local', for: 'study demo' }])
  t.strictSame(calibrationsOf(context.journal, 'local'), [], 'nothing was begun')
  held[Symbol.dispose]()
  t.equal(context.leases.holderOf('local'), undefined)
})

t.test('a tier that is not there', async (t) => {
  const open = await directoryTier(t)
  const context = contextOf(t, open)
  const signal = new AbortController().signal
  await t.rejects(
    calibrate({ ...TASK, tier: 'lokal' }, context, () => {}, signal),
    {
      name: 'KvmioError',
      message: 'no tier lokal is open',
    },
  )
})

t.test('the time limit: what was measured, and what was not', { skip: noFio }, async (t) => {
  const open = await directoryTier(t)
  const context = contextOf(t, open)
  const signal = new AbortController().signal
  const message =
    'calibration of tier local: the time limit of 1.5 s was reached; nothing was measured; not measured: random-read, random-write; nothing of it is in force'
  await t.rejects(
    calibrate({ ...TASK, timeLimit: 1.5 }, context, () => {}, signal),
    { message },
  )
  t.match(calibrationsOf(context.journal, 'local'), [
    { reason: message.replace('calibration of tier local: ', ''), result: undefined },
  ])
  t.strictSame(await readdir(open.tier.directory!), [], 'its file is gone')
  t.equal(context.leases.holderOf('local'), undefined)
})

t.test('what fio says is told', { skip: noFio }, async (t) => {
  const open = await directoryTier(t)
  const context = contextOf(t, open)
  const signal = new AbortController().signal
  // A folder in the place of its file, once that has been made: fio cannot write there.
  const allocate = open.allocate
  open.allocate = async (backend, bytes) => {
    await allocate(backend, bytes)
    if (backend.kind !== 'file') throw new TypeError('expected a file')
    await open.release(backend)
    await mkdir(backend.path)
    open.release = async () => {}
  }
  await t.rejects(
    calibrate(TASK, context, () => {}, signal),
    { message: /^calibration of tier local: fio exited with code 1:\n.*/ },
  )
  t.match(calibrationsOf(context.journal, 'local')[0]?.reason, /^fio exited with code 1/)
})

t.test('a tier that others fill meanwhile', { skip: noFio || noDisks }, async (t) => {
  const config = { filesystem: { type: 'ext4', size: 64 * MIB } } as TierConfig
  const open = await openTier('local', config, await stateFor(t))
  t.teardown(() => open.close())
  const directory = open.tier.directory!
  const allocate = open.allocate
  open.allocate = async (backend, bytes) => {
    await allocate(backend, bytes)
    const { freeBytes } = await readSpace(directory)
    await writeFile(join(directory, 'other'), Buffer.alloc(freeBytes - 8 * MIB))
  }
  const context = contextOf(t, open)
  await t.rejects(
    calibrate(TASK, context, () => {}, new AbortController().signal),
    { message: /^calibration of tier local: fio exited with code 1:\n.*No space left on device/s },
  )
  t.notOk((await readdir(directory)).some((name) => name.endsWith('.calibration')))
})

t.test('what a killed kvmio has left', async (t) => {
  const open = await directoryTier(t)
  const context = contextOf(t, open)
  const { stateDir } = open.context
  const file = calibrationFile(open.tier.directory!, stateDir)
  const others = calibrationFile(open.tier.directory!, `${stateDir}-other`)
  for (const path of [file, others]) await writeFile(path, 'x')
  t.strictSame(await removeOrphanCalibrations(context.journal, [open]), {
    removed: [`removed ${file}`],
    left: [],
  })
  t.strictSame(await readdir(open.tier.directory!), [others.split('/').at(-1)], "another's stays")
  t.strictSame(await removeCalibrationFiles(['/no/such/folder'], stateDir), {
    removed: [],
    left: [],
  })
})
