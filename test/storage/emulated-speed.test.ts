import { join } from 'node:path'
import t from 'tap'
import type { TierConfig } from '../../src/config/schema.ts'
import { run } from '../../src/lib/process.ts'
import { nbdkitArgs } from '../../src/storage/emulated-disk.ts'
import { openTier } from '../../src/storage/tiers.ts'
import { cannotMakeDisks, stateFor, whatIsUp } from './state.ts'

const MIB = 2 ** 20
const skip = await cannotMakeDisks('nbdkit', 'nbdfuse', 'fio', 'chrt')

t.test('what nbdkit is told', async (t) => {
  const words = (disk: Parameters<typeof nbdkitArgs>[1]) => nbdkitArgs('/disk', disk).join(' ')
  t.equal(
    words({ serviceMs: 10 }),
    '--filter=noparallel --filter=delay file file=/disk rdelay=10ms wdelay=10ms serialize=all-requests',
  )
  t.equal(words({ serviceMs: 10, parallel: 1 }), words({ serviceMs: 10 }))
  t.equal(
    words({ serviceMs: 10, parallel: 4 }),
    '--threads=1 --filter=delay file file=/disk rdelay=10ms wdelay=10ms',
  )
  t.equal(
    words({ bytesPerSecond: 20 * MIB }),
    '--filter=noparallel --filter=rate file file=/disk rate=167772160 burstiness=0.05 serialize=all-requests',
  )
  t.match(words({ bytesPerSecond: 5 * MIB }), 'rate=41943040 burstiness=0.2 ')
  t.equal(
    words({ serviceMs: 5, bytesPerSecond: 20 * MIB, parallel: 2 }),
    '--threads=1 --filter=rate --filter=delay file file=/disk rdelay=5ms wdelay=5ms rate=167772160 burstiness=0.05',
  )
})

t.test('four at a time, in 10 ms each', { skip }, async (t) => {
  const emulate = { serviceTime: 0.01, parallel: 4 }
  // As deep as it can serve, and deeper. A busy host slows it; nothing makes it faster.
  for (const depth of ['4', '16']) {
    const words = ['--rw=randwrite', '--bs=4k', `--iodepth=${depth}`]
    const { iops } = await best(t, emulate, words, ({ iops }) => iops >= 200)
    t.ok(iops <= 408, `${iops}/s at most 408`)
    t.ok(iops >= 200, `${iops}/s at least 200, where two at a time give 196 at the most`)
  }
})

t.test('so many bytes a second', { skip }, async (t) => {
  const rows = [
    [20, 'write', '1m'],
    [20, 'read', '4k'],
    [5, 'write', '1m'], // of requests that take a tenth of a second
  ] as const
  for (const [rate, way, size] of rows) {
    const words = [`--rw=${way}`, `--bs=${size}`, '--iodepth=4']
    const isGood = ({ bytes }: Speed) => bytes >= 0.85 * rate * MIB
    const { bytes } = await best(t, { bytesPerSecond: rate * MIB }, words, isGood)
    t.ok(bytes >= 0.85 * rate * MIB, `${bytes / MIB} MiB/s of ${size} at least ${0.85 * rate}`)
    t.ok(bytes <= 1.15 * rate * MIB, `${bytes / MIB} MiB/s of ${size} at most ${1.15 * rate}`)
  }
})

interface Speed {
  iops: number
  bytes: number
}

/** What fio measures on a file of such a tier; three times at the most, for one that is good. */
async function best(
  t: Parameters<typeof stateFor>[0],
  emulate: TierConfig['emulate'],
  words: string[],
  isGood: (speed: Speed) => boolean,
): Promise<Speed> {
  const context = await stateFor(t)
  const config: TierConfig = { filesystem: { type: 'ext4', size: 128 * MIB }, emulate }
  const open = await openTier('fast', config, context)
  t.equal(open.tier.unavailable, undefined)
  const file = [`--filename=${join(open.tier.directory!, 'data')}`, '--size=32M']
  const how = ['--name=t', '--direct=1', '--ioengine=libaio', '--output-format=json']
  await run('fio', [...how, ...file, '--rw=write', '--bs=1m']) // no more blocks to find
  let speed: Speed = { iops: 0, bytes: 0 }
  for (let left = 3; left > 0 && !isGood(speed); left--) {
    const args = [...how, ...file, ...words, '--time_based', '--runtime=3']
    // Like the disk's own daemons: what is measured is the disk, and not who else is on the processors.
    const text = await run('chrt', ['--rr', '1', 'fio', ...args])
    const { read, write } = JSON.parse(text).jobs[0]
    const { iops, bw_bytes: bytes } = write.io_bytes > 0 ? write : read
    speed = { iops, bytes }
  }
  await open.close()
  t.strictSame(await whatIsUp(context), [])
  return speed
}
