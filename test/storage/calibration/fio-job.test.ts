import t from 'tap'
import { pointArgs, searchArgs } from '../../../src/storage/calibration/fio-job.ts'

const TARGET = { path: '/tiers/a:b\\c', bytes: 1024 }
const TIMING = { rampSeconds: 0.5, steadySeconds: 2, limitSeconds: 6 }

t.test('so many operations under way, of one job', async (t) => {
  const args = pointArgs(TARGET, { rw: 'randread', blockBytes: 4096 }, 16, TIMING)
  t.ok(args.includes('--filename=/tiers/a\\:b\\\\c'), 'a colon would separate two files')
  for (const word of [
    '--direct=1',
    '--rw=randread',
    '--bs=4096',
    '--ioengine=libaio',
    '--iodepth=16',
    '--ramp_time=500ms',
    '--runtime=6',
    '--ss=iops:10%',
    '--ss_dur=2',
    '--allow_file_create=0',
  ])
    t.ok(args.includes(word), word)
})

t.test('a writer that waits for its flush has one operation under way', async (t) => {
  const synced = { rw: 'randwrite', blockBytes: 4096, synced: true } as const
  const args = pointArgs(TARGET, synced, 16, TIMING)
  t.ok(args.includes('--numjobs=16') && args.includes('--fdatasync=1'))
  t.notOk(args.some((word) => word.startsWith('--iodepth')))
})

t.test('a search for a latency', async (t) => {
  const search = { targetLatency: 0.0125, maxDepth: 9, windowSeconds: 0.5, limitSeconds: 20 }
  const args = searchArgs(TARGET, { rw: 'randread', blockBytes: 4096 }, search)
  for (const word of ['--latency_target=12500us', '--latency_window=500000us', '--iodepth=9'])
    t.ok(args.includes(word), word)
})
