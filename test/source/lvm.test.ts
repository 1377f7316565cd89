import { deepEqual } from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import t from 'tap'
import { KvmioError } from '../../src/lib/errors.ts'
import {
  hasDeviceMapper,
  mapperName,
  parseLogicalVolumes,
  parseVolumeGroups,
  poolSpace,
  volumeOf,
} from '../../src/source/lvm.ts'
import { fixture } from './fixtures.ts'

const text = (path: string) => readFile(fixture(path), 'utf8')

t.test('a group with two physical volumes has two rows, and is one', async (t) => {
  const groups = parseVolumeGroups(await text('recorded-lvm/vgs.json'))
  t.strictSame(groups, [
    {
      name: 'kvmio-rec',
      sizeBytes: 125_829_120,
      freeBytes: 125_829_120,
      extentBytes: 4_194_304,
      physicalVolumes: ['/dev/loop0', '/dev/loop1'],
    },
    {
      name: 'two',
      sizeBytes: 62_914_560,
      freeBytes: 54_525_952,
      extentBytes: 4_194_304,
      physicalVolumes: ['/dev/loop2'],
    },
  ])
})

t.test('volumes with and without tags, open and not', async (t) => {
  const volumes = parseLogicalVolumes(await text('constructed-lvm/lvs.json'))
  t.strictSame(volumes, [
    { group: 'vg0', name: 'root', sizeBytes: 10_737_418_240, tags: [], open: true },
    {
      group: 'vg0',
      name: 'kvmio-demo-ide-1.root',
      sizeBytes: 1_073_741_824,
      tags: ['backup', 'kvmio-0123abcd'],
      open: false,
    },
    {
      group: 'vg0',
      name: 'pool',
      sizeBytes: 4_294_967_296,
      tags: [],
      open: false,
      isThinPool: true,
      written: 0.25,
    },
    { group: 'vg0', name: 'thin', sizeBytes: 8_589_934_592, tags: [], open: true, written: 0.125 },
  ])
  t.strictSame(poolSpace(volumes, 'vg0', 'pool'), {
    sizeBytes: 4_294_967_296,
    freeBytes: 3_221_225_472,
    availableBytes: 3_221_225_472,
  })
  const asleep = volumes.map(({ written: _, ...volume }) => volume)
  t.throws(() => poolSpace(asleep, 'vg0', 'pool'), {
    message: 'thin pool pool of volume group vg0 is not active',
  })
  for (const name of ['thin', 'root', 'nothing']) {
    const message = `volume group vg0 has no thin pool ${name}`
    t.throws(() => poolSpace(volumes, 'vg0', name), { message })
  }
})

t.test('a device that nobody knows to be closed counts as open', async (t) => {
  const [volume] = parseLogicalVolumes(await text('recorded-lvm/lvs.json'))
  t.strictSame(volume, { group: 'two', name: 'other', sizeBytes: 8_388_608, tags: [], open: true })
})

t.test('what is no report', async (t) => {
  const row = (values: Record<string, unknown>) => JSON.stringify({ report: [{ vg: [values] }] })
  const good = { vg_name: 'a', vg_size: '1', vg_free: '1', vg_extent_size: '1', pv_name: '/dev/x' }
  const rows: [text: string, message: string][] = [
    ['', 'vgs: expected JSON, got ""'],
    ['{}', 'vgs: expected a report of vg, got "{}"'],
    ['null', 'vgs: expected a report of vg, got "null"'],
    ['{"report":[null]}', 'vgs: expected a report of vg, got "{\\"report\\":[null]}"'],
    [row({}), 'vgs: vg_name: expected text, got undefined'],
    [row({ ...good, vg_size: 1 }), 'vgs: vg_size: expected text, got number'],
    [
      row({ ...good, vg_size: '1.00g' }),
      'vgs: vg_size: expected a whole number of bytes, got "1.00g"',
    ],
  ]
  t.strictSame(parseVolumeGroups(row(good))[0]?.physicalVolumes, ['/dev/x'])
  for (const [text, message] of rows) t.throws(() => parseVolumeGroups(text), { message })
})

t.test('no text makes it fail in words of its own', async () => {
  const value = fc.oneof(fc.string(), fc.constantFrom('10', '', 'open', '100.00'), fc.anything())
  const fields = ['vg_name', 'lv_name', 'lv_size', 'lv_tags', 'lv_layout', 'data_percent']
  const row = fc.dictionary(fc.constantFrom(...fields, 'lv_device_open'), value)
  const report = fc.array(fc.oneof(row, fc.anything())).map((lv) => ({ report: [{ lv }] }))
  const anyText = fc.oneof(
    fc.string(),
    fc.json(),
    report.map((value) => JSON.stringify(value)),
  )
  fc.assert(
    fc.property(anyText, (text) => {
      for (const parse of [parseLogicalVolumes, parseVolumeGroups]) {
        try {
          parse(text)
        } catch (error) {
          if (!(error instanceof KvmioError)) throw error
        }
      }
    }),
  )
})

t.test('whether there is a device mapper', async (t) => {
  const roots = t.testdir({
    with: { misc: '236 device-mapper\n229 fuse\n' },
    without: { misc: '' },
  })
  t.equal(await hasDeviceMapper(`${roots}/with`), true)
  t.equal(await hasDeviceMapper(`${roots}/without`), false)
  t.equal(await hasDeviceMapper(`${roots}/nowhere`), false)
})

t.test("from the device mapper's name to the volume", async (t) => {
  const cases: [mapped: string, volume: ReturnType<typeof volumeOf>][] = [
    ['vg0-images', { group: 'vg0', name: 'images' }],
    ['vg--a-vm----1', { group: 'vg-a', name: 'vm--1' }],
    ['vg---lv', { group: 'vg-', name: 'lv' }],
    ['vg0-pool-tpool', { group: 'vg0', name: 'pool', layer: 'tpool' }],
    ['vg0-pool_tdata', { group: 'vg0', name: 'pool_tdata' }],
    ['vg0', undefined],
    ['', undefined],
    ['-', undefined],
    ['a-b-c-d', undefined],
  ]
  for (const [mapped, volume] of cases) t.strictSame(volumeOf(mapped), volume, mapped)
})

t.test('mapping a volume and reading it back is the identity', async () => {
  const name = fc.stringMatching(/^[a-zA-Z0-9+_.][a-zA-Z0-9+_.-]{0,8}$/) // lvm(8): valid names
  fc.assert(
    fc.property(name, name, (group, name) => {
      deepEqual(volumeOf(mapperName(`/dev/${group}/${name}`)), { group, name })
    }),
  )
})
