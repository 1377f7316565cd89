import { mkdir, readdir } from 'node:fs/promises'
import fc from 'fast-check'
import t from 'tap'
import { FILESYSTEMS } from '../../src/config/tier-schema.ts'
import {
  type DiskRecord,
  diskFiles,
  parseDiskRecord,
  readDiskRecord,
  writeDiskRecord,
} from '../../src/storage/disk-record.ts'
import { labelOf } from '../../src/storage/mkfs.ts'

const RECORD: DiskRecord = {
  type: 'ext4',
  sizeBytes: 2 ** 32,
  inode: 12,
  made: true,
  serviceMs: 10,
  live: {
    mountPoint: '/s/tiers/sata/mnt',
    socket: '/s/tiers/sata/nbd.sock',
    nbdkit: { pid: 7, startTicks: 70 },
    nbdfuse: { pid: 8, startTicks: 80 },
    loop: 'loop3',
  },
}

t.test('a record comes back as it was written, and no other file is left', async (t) => {
  const files = diskFiles(t.testdir(), 'sata')
  t.equal(await readDiskRecord(files), undefined)
  await mkdir(files.directory, { recursive: true })
  for (const record of [RECORD, { type: 'xfs', sizeBytes: 1, made: false } as const]) {
    await writeDiskRecord(files, record)
    t.strictSame(await readDiskRecord(files), record)
  }
  t.strictSame(await readdir(files.directory), ['disk.json'])
})

t.test('records that are none', async (t) => {
  const rows: [text: string, problem: string][] = [
    ['', 'disk.json: expected JSON, got ""'],
    ['{"type":"ext4"', 'disk.json: expected JSON, got "{\\"type\\":\\"ext4\\""'],
    ['[]', 'disk.json: the whole: Invalid input: expected object, received array'],
    [
      JSON.stringify({ ...RECORD, type: 'vfat' }),
      'disk.json: type: Invalid option: expected one of "ext4"|"ext3"|"ext2"|"xfs"|"btrfs"',
    ],
    [
      JSON.stringify({ ...RECORD, live: { ...RECORD.live, nbdkit: { pid: '7', startTicks: 7 } } }),
      'disk.json: live.nbdkit.pid: Invalid input: expected number, received string',
    ],
  ]
  for (const [text, message] of rows) t.throws(() => parseDiskRecord(text), { message })
})

t.test('labels fit their filesystem', async (t) => {
  t.strictSame(
    FILESYSTEMS.map((type) => labelOf(type, 'sata-7200-of-building-b2')),
    [
      'kvmio-sata-7200-',
      'kvmio-sata-7200-',
      'kvmio-sata-7200-',
      'kvmio-sata-7',
      'kvmio-sata-7200-of-building-b2',
      'kvmio-sata-7200-', // reiserfs
    ],
  )
})

t.test('any text is a record or a sentence', async () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseDiskRecord(text)
        return false
      } catch (error) {
        return (error as Error).name === 'KvmioError'
      }
    }),
  )
})
