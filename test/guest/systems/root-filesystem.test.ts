import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { parseOsRelease } from '../../../src/guest/systems/mirror.ts'
import { buildRootFilesystem } from '../../../src/guest/systems/root-filesystem.ts'
import { UnavailableError } from '../../../src/lib/errors.ts'
import { silentLog } from '../../../src/lib/log.ts'
import { run } from '../../../src/lib/process.ts'

const SIZE_BYTES = 400 * 2 ** 20
const RECIPE = {
  packages: [],
  excludes: ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*'],
  before: [{ path: 'etc/before', content: 'before\n' }],
  after: [
    { path: 'etc/after', content: 'after\n', mode: 0o755 },
    { path: 'etc/link', target: '/etc/after' },
  ],
}

const cacheDir = await mkdtemp(join(tmpdir(), 'kvmio-root-'))
t.teardown(() => rm(cacheDir, { recursive: true, force: true }))

const options = {
  cacheDir,
  name: 'mini',
  recipe: () => RECIPE,
  sizeBytes: SIZE_BYTES,
  label: 'mini',
  log: silentLog,
}

let directory = ''
let lack: string | false = false
try {
  directory = (await buildRootFilesystem(options)).directory
} catch (error) {
  if (!(error instanceof UnavailableError)) throw error
  lack = error.message
}

t.test('what is built', { skip: lack }, async (t) => {
  const image = join(directory, 'root.img')
  t.strictSame((await readdir(cacheDir)).sort(), ['debs', directory.slice(cacheDir.length + 1)])
  t.match(await run('dumpe2fs', ['-h', image]), /Filesystem volume name: +mini\n/)
  await run('e2fsck', ['-f', '-n', image])
  t.equal((await readFile(image)).length, SIZE_BYTES)
  const debug = async (command: string) => await run('debugfs', ['-R', command, image])
  t.equal(await debug('cat /etc/before'), 'before')
  t.equal(await debug('cat /etc/after'), 'after')
  t.match(await debug('stat /etc/after'), /Mode: +0755/)
  t.match(await debug('stat /etc/link'), /Fast link dest: "\/etc\/after"/)
  t.match(await debug('cat /var/lib/dpkg/status'), /^Package: apt\nStatus: install ok installed/m)
  t.notMatch(await debug('ls -p /usr/share/man'), /man1/)
  t.notMatch(await debug('ls -p /var/cache/apt'), /archives/)
})

t.test('is built once', { skip: lack }, async (t) => {
  t.strictSame(await buildRootFilesystem(options), { directory, builtIn: 0 })
})

t.test(
  'a build that is killed leaves no process, no mount and no image',
  { skip: lack },
  async (t) => {
    const script = t.testdir({ 'build.ts': '' })
    const source = (path: string) =>
      JSON.stringify(new URL(`../../../src/${path}`, import.meta.url))
    await writeFile(
      join(script, 'build.ts'),
      `import { buildRootFilesystem } from ${source('guest/systems/root-filesystem.ts')}
     import { silentLog } from ${source('lib/log.ts')}
     const options = ${JSON.stringify({ ...options, name: 'killed', recipe: undefined, log: undefined })}
     await buildRootFilesystem({ ...options, recipe: () => (${JSON.stringify(RECIPE)}), log: silentLog })`,
    )
    const child = spawn(process.execPath, [join(script, 'build.ts')], { stdio: 'inherit' })
    t.teardown(() => child.kill('SIGKILL'))
    const [work = ''] = await until(async () =>
      (await readdir(cacheDir)).filter((entry) => entry.startsWith('building-')),
    )
    const tree = join(cacheDir, work, 'tree')
    await until(async () => await rootsBelow(tree)) // the second stage: chroot, with /proc mounted in it
    t.notMatch(await readFile('/proc/self/mountinfo', 'utf8'), tree, 'its mounts are its own')
    child.kill('SIGKILL')
    await once(child, 'exit')
    await until(async () => ((await rootsBelow(tree)).length === 0 ? ['none'] : []))
    t.notOk((await readdir(cacheDir)).some((entry) => entry.startsWith('killed-')))

    const { builtIn } = await buildRootFilesystem({ ...options, name: 'killed' })
    t.ok(builtIn > 0)
    t.notOk((await readdir(cacheDir)).includes(work), 'its remains are gone')
  },
)

t.test('a build that is given up leaves nothing', { skip: lack }, async (t) => {
  const signal = AbortSignal.timeout(5000)
  const given = { ...options, name: 'given-up', signal }
  await t.rejects(buildRootFilesystem(given), { name: 'TimeoutError' })
  t.notOk((await readdir(cacheDir)).some((entry) => /given-up|building/.test(entry)))
})

t.test('a mirror that is not reached', { skip: lack }, async (t) => {
  const { suite } = parseOsRelease(await readFile('/etc/os-release', 'utf8'))
  const home = t.testdir({ 'sources.list': `deb http://127.0.0.1:9/debian ${suite} main\n` })
  process.env.APT_CONFIG = join(home, 'apt.conf')
  t.teardown(() => delete process.env.APT_CONFIG)
  await writeFile(
    process.env.APT_CONFIG,
    `Dir::Etc::SourceList "${home}/sources.list"; Dir::Etc::SourceParts "-";`,
  )
  const elsewhere = { ...options, cacheDir: join(home, 'systems') }
  const error = await buildRootFilesystem(elsewhere).catch((error) => error)
  t.equal(error.name, 'UnavailableError')
  t.match(error.message, /^a root filesystem could not be built: debootstrap exited with code 1:\n/)
  t.match(
    error.message.split('\n').at(-1),
    `It takes root, the package debootstrap (apt-get install debootstrap), and the mirror http://127.0.0.1:9/debian with ${suite}`,
  )
  t.strictSame(await readdir(join(home, 'systems')), ['debs'])
})

/** The processes whose root directory is there or below. */
async function rootsBelow(directory: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))
  const roots = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/root`).catch(() => '')))
  return roots.filter((root) => root.startsWith(directory))
}

async function until(found: () => Promise<string[]>): Promise<string[]> {
  for (let tries = 0; tries < 1200; tries++) {
    const result = await found()
    if (result.length > 0) return result
    await sleep(50)
  }
  throw new Error('waited for a minute')
}
