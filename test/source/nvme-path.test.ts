import t from 'tap'
import { readDiskstats } from '../../src/source/diskstats.ts'
import { namespaceOf, onlyCounted } from '../../src/source/nvme-path.ts'
import { fixture } from './fixtures.ts'

t.test('which namespace a path leads to', async (t) => {
  t.equal(namespaceOf('nvme1c0n1'), 'nvme1n1')
  t.equal(namespaceOf('nvme10c2n13'), 'nvme10n13')
  for (const name of ['nvme1n1', 'nvme1c0n1p1', 'sda', '']) t.equal(namespaceOf(name), undefined)
})

t.test('a namespace of several paths counts nothing before kernel 6.2', async (t) => {
  const stats = await readDiskstats(fixture('recorded-stack-6.1/proc'))
  const names = (kept: readonly { device: string }[]) => kept.map(({ device }) => device)
  const left = (kept: readonly { device: string }[]) =>
    names(stats).filter((name) => !names(kept).includes(name))
  t.strictSame(left(onlyCounted(stats)), ['nvme1n1', 'nvme1n1p1'])
  const newer = stats.map((stat) =>
    stat.device === 'nvme1n1' ? { ...stat, readsCompleted: 368 } : stat,
  )
  t.strictSame(left(onlyCounted(newer)), [], 'newer kernels do')
  const fresh = stats.map((stat) => ({ ...stat, readsCompleted: 0, writesCompleted: 0 }))
  t.strictSame(left(onlyCounted(fresh)), [], 'and before anything was read, 0 is true')
  const other = [...newer, { ...stats[0]!, device: 'nvme1n10' }]
  t.equal(onlyCounted(other).length, other.length)
})
