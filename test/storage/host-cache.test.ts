import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { run } from '../../src/lib/process.ts'
import { cachedBytes, coldProblem, prepareHostCache } from '../../src/storage/host-cache.ts'

const MIB = 2 ** 20
const { signal } = new AbortController()
const lack = (await coldProblem('/proc')) ?? false

async function folder(t: Test, parent = tmpdir()): Promise<string> {
  const directory = await mkdtemp(join(parent, 'kvmio-cache-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

function prepare(
  directory: string,
  hostCache: 'warm' | 'cold',
  files: string[],
  procRoot = '/proc',
) {
  return prepareHostCache({
    hostCache,
    directories: [directory],
    files,
    disowned: files,
    hostCached: false,
    procRoot,
    signal,
  })
}

t.test('cold: nothing of the files; warm: all that they hold', { skip: lack }, async (t) => {
  const directory = await folder(t)
  const [full, sparse] = [join(directory, 'full, with a comma'), join(directory, 'sparse')]
  await writeFile(full, Buffer.alloc(3 * MIB + 5, 1))
  await writeFile(sparse, Buffer.alloc(MIB, 1))
  await truncate(sparse, 2 ** 33)
  await prepare(directory, 'cold', [full, sparse])
  t.equal(await cachedBytes([full, sparse]), 0)
  await prepare(directory, 'warm', [full, sparse])
  t.equal(await cachedBytes([full]), 3 * MIB + 4096)
  const inSparse = await cachedBytes([sparse])
  // The kernel reads a few megabytes ahead.
  t.ok(inSparse >= MIB && inSparse < 64 * MIB, `holes of 8 GiB are not read: ${inSparse}`)
})

t.test('a page that stays is no cold start', { skip: lack }, async (t) => {
  const directory = await folder(t, '/dev/shm') // a file of tmpfs is nowhere but in the page cache
  const file = join(directory, 'image')
  await writeFile(file, Buffer.alloc(MIB, 1))
  const error = await prepare(directory, 'cold', [file]).catch((error) => error)
  t.equal(
    error.message,
    `hostCache cold: 1 MiB of ${file} stay in the host's page cache: on tmpfs, or in use by another program`,
  )
})

t.test('what memory cannot hold cannot be warm', async (t) => {
  const directory = await folder(t)
  const procRoot = join(directory, 'proc')
  await mkdir(procRoot)
  const meminfo = 'MemTotal: 1000 kB\nMemAvailable: 1000 kB\nDirty: 0 kB\nWriteback: 0 kB\n'
  await writeFile(join(procRoot, 'meminfo'), meminfo)
  const file = join(directory, 'image')
  await writeFile(file, Buffer.alloc(2 * MIB, 1))
  await run('sync', [file]) // what is not on the device yet is a hole to SEEK_DATA on some filesystems
  const error = await prepare(directory, 'warm', [file], procRoot).catch((error) => error)
  t.equal(error.name, 'UnavailableError')
  t.equal(
    error.message,
    `hostCache warm: ${file} hold 2 MiB, but 1000 KiB of memory are available: give the host more memory, or use hostCache cold`,
  )
})

t.test('a host whose page cache cannot be emptied says so', async (t) => {
  const directory = await folder(t)
  const meminfo = 'MemTotal: 9 kB\nMemAvailable: 9 kB\nDirty: 0 kB\nWriteback: 0 kB\n'
  await writeFile(join(directory, 'meminfo'), meminfo)
  const message = `hostCache cold empties the host's page cache, which takes root and a writable ${directory}/sys/vm/drop_caches (ENOENT)`
  t.equal(await coldProblem(directory), message)
  const error = await prepare(directory, 'cold', [], directory).catch((error) => error)
  t.equal(error.message, message)
})
