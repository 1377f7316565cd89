// query-blockstats of qemu 7.2, recorded, and of 8.1 to 10.x, which say more: what both say is read alike.
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { type DriveStats, parseBlockStats } from '../../src/source/blockstats.ts'
import { fixture } from './fixtures.ts'

const HOST = 'pvm-debian12'

async function readAnswer(path: string): Promise<DriveStats[]> {
  return parseBlockStats(JSON.parse(await readFile(fixture(path), 'utf8')))
}

function common({ id, qdev, read, write, flush, unmap, highestOffset }: DriveStats) {
  return { id, qdev, read, write, flush, unmap, highestOffset }
}

t.test('qemu 8.2 says of a drive what 7.2 says', async (t) => {
  const old = await readAnswer(`${HOST}/qmp/running.json`)
  const now = await readAnswer('constructed-qmp-8.2/qmp/running.json')
  t.strictSame(now.map(common), old.map(common))
  t.match(old[0], { id: 'drive-root', read: { operations: 68 }, write: { bytes: 8_627_200 } })
})

t.test('bins are there once they were armed, and hold each operation', async (t) => {
  const [never, armed, busy] = await Promise.all(
    ['never-armed', 'paused', 'running'].map((name) => readAnswer(`${HOST}/qmp/${name}.json`)),
  )
  for (const { read, write, flush } of never!)
    t.strictSame(
      [read.histogram, write.histogram, flush.histogram],
      [undefined, undefined, undefined],
    )
  for (const { read, write, flush } of [...armed!, ...busy!]) {
    for (const { operations, histogram } of [read, write, flush]) {
      const bins = histogram?.bins.reduce((sum, bin) => sum + bin, 0)
      t.equal(bins, operations)
    }
  }
})
