import { execFileSync } from 'node:child_process'
import { rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { silentLog } from '../../src/lib/log.ts'
import { diskFiles } from '../../src/storage/disk-record.ts'
import { openTier } from '../../src/storage/tiers.ts'
import { trim } from '../../src/storage/trim.ts'
import { cannotMakeDisks, stateFor } from './state.ts'

const MIB = 2 ** 20
const skip = await cannotMakeDisks('fstrim')

t.test('what a run has left free is free on the device too', { skip }, async (t) => {
  const context = await stateFor(t)
  const config = { filesystem: { type: 'ext4' as const, size: 64 * MIB } }
  const open = await openTier('plain', config, context)
  const taken = async () => (await stat(diskFiles(context.stateDir, 'plain').image)).blocks * 512
  const file = join(open.tier.directory!, 'image')
  await writeFile(file, Buffer.alloc(16 * MIB, 'x'))
  execFileSync('sync', ['-f', open.tier.directory!])
  const full = await taken()
  await rm(file)
  execFileSync('sync', ['-f', open.tier.directory!])
  t.ok((await taken()) > full - MIB, 'it is not by itself')
  await trim(open, silentLog)
  t.ok((await taken()) < full - 15 * MIB, `${await taken()} of ${full} bytes`)
  await open.close()
})

t.test('where there is nothing to trim, nothing happens', async (t) => {
  const tier = { name: 'local', kind: 'directory', directory: '/nowhere' }
  await t.resolves(trim({ tier } as never, silentLog), 'a folder is none of its own')
  const gone = { name: 'gone', kind: 'filesystem', directory: '/nowhere' }
  await t.resolves(trim({ tier: gone, disk: {} } as never, silentLog), 'no error ends a run')
})
