import t from 'tap'
import { parseMountstats, readMountstats } from '../../src/source/mountstats.ts'
import { fixture } from './fixtures.ts'

t.test('two NFS mounts among others', async (t) => {
  const mounts = await readMountstats(fixture('constructed-nfs/proc'))
  t.strictSame(
    [...mounts],
    [
      [
        '/mnt/images',
        {
          readBytes: 5_242_880,
          writtenBytes: 10_485_760,
          readsCompleted: 20,
          readSeconds: 0.12,
          writesCompleted: 40,
          writeSeconds: 0.95,
          flushes: 4,
          flushSeconds: 0.033,
        },
      ],
      [
        '/mnt/old one',
        {
          readBytes: 4096,
          writtenBytes: 0,
          readsCompleted: 1,
          readSeconds: 0.002,
          writesCompleted: 0,
          writeSeconds: 0,
          flushes: 0,
          flushSeconds: 0,
        },
      ],
    ],
  )
})

t.test('what is no mountstats', async (t) => {
  const mount = 'device h:/a mounted on /m with fstype nfs4 statvers=1.1\n'
  const rows: [text: string, message: string][] = [
    ['READ: 1 2', '/proc/self/mountstats:2: READ: expected time, got the end of the line'],
    [
      'WRITE: x 0 0 0 0 0 0 0',
      '/proc/self/mountstats:2: WRITE: operations: expected a whole number, got "x"',
    ],
    ['bytes: 1', '/proc/self/mountstats:2: bytes: expected bytes read, got the end of the line'],
  ]
  for (const [text, message] of rows)
    t.throws(() => parseMountstats(`${mount}\t${text}\n`), { message })
  t.strictSame([...parseMountstats('')], [])
  t.strictSame([...parseMountstats('\tREAD: 1 2\n')], [], 'of no mount')
})
