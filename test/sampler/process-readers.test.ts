import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createDescriptorReader, createMemoryReader } from '../../src/sampler/process-readers.ts'
import { readDescriptors } from '../../src/source/descriptors.ts'

t.test('of this very process', async (t) => {
  const options = {
    procRoot: '/proc',
    vms: () => [{ pid: process.pid }],
    onError: (source: string, error: unknown) => t.fail(`${source}: ${error}`),
  }
  const memory = createMemoryReader(options)
  const files = createDescriptorReader(options)
  await Promise.all([memory.tick(), files.tick()])
  t.ok((memory.of(process.pid)?.totalBytes ?? 0) > 10 * 2 ** 20)
  t.match(await readDescriptors('/proc', process.pid), { limit: files.of(process.pid)?.limit })
  t.ok((files.of(process.pid)?.open ?? 0) > 3)
})

t.test('what one cannot read of a process, the other still can', async (t) => {
  const procRoot = await mkdtemp(join(tmpdir(), 'kvmio-proc-'))
  t.teardown(() => rm(procRoot, { recursive: true, force: true }))
  await mkdir(join(procRoot, '1/fd/0'), { recursive: true })
  await writeFile(join(procRoot, '1/limits'), 'Max open files  unlimited  unlimited  files\n')
  await writeFile(join(procRoot, '1/smaps_rollup'), 'nothing of use')
  const errors: string[] = []
  const options = {
    procRoot,
    vms: () => [{ pid: 1 }],
    onError: (_: string, error: unknown) => errors.push((error as Error).message),
  }
  const memory = createMemoryReader(options)
  const files = createDescriptorReader(options)
  await Promise.all([memory.tick(), files.tick()])
  t.equal(memory.of(1), undefined)
  t.strictSame(files.of(1), { open: 1, limit: undefined })
  t.match(errors, [/\/1\/smaps_rollup:1: expected a line "Pss: ...", found none$/])
})
