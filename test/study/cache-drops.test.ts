import t from 'tap'
import { parseCacheDrops, readCacheDrops } from '../../src/source/proc.ts'
import { cacheDropsProblem } from '../../src/study/cache-drops.ts'

t.test('how often the page cache was emptied', async (t) => {
  t.equal(parseCacheDrops('nr_free_pages 9\ndrop_pagecache 23\ndrop_slab 20\n'), 23)
  t.equal(parseCacheDrops('nr_free_pages 9\n'), undefined, 'a kernel that does not count it')
  t.throws(() => parseCacheDrops('a 1\ndrop_pagecache -1\n'), {
    message: '/proc/vmstat:2: drop_pagecache: expected a whole number, got "-1"',
  })
  t.type(await readCacheDrops('/proc'), 'number')
})

t.test('a run in which it was is void', async (t) => {
  t.equal(cacheDropsProblem(undefined, 4), undefined, 'nothing to its vms')
  t.equal(cacheDropsProblem(4, 4), undefined)
  t.equal(
    cacheDropsProblem(4, 5),
    "the host's page cache, from which its vms read, was emptied once while it ran",
  )
  t.equal(
    cacheDropsProblem(4, 6),
    "the host's page cache, from which its vms read, was emptied 2 times while it ran",
  )
})
