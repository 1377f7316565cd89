import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const exec = promisify(execFile)
const root = join(import.meta.dirname, '..')
const OFFLINE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH/

// A user's npm has neither the settings that npm test gives on to its children, nor tap's hooks, which tsc does not bear
// and which tap puts into the environment of whatever is spawned here; so env(1) takes them out again.
const clean = [
  ...Object.keys(process.env).filter((name) => /^npm_/i.test(name)),
  'NODE_OPTIONS',
].flatMap((name) => ['-u', name])

t.test('the published package, packed and installed', async (t) => {
  const work = await mkdtemp(join(tmpdir(), 'kvmio-package-'))
  t.teardown(() => rm(work, { recursive: true, force: true }))
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const tarball = join(work, `kvmio-${version}.tgz`)
  const launcher = join(work, 'prefix/bin/kvmio')

  await t.test('is packed from the sources', async (t) => {
    const files = await pack(work, tarball)
    for (const file of [
      'packaging/kvmio.service',
      'dist/web/password-worker.js',
      ...['bin/kvmio.mjs', 'dist/main.js', 'dist/guest/systems/init.sh', 'LICENSE'],
      ...['grafana/dashboards/tiers.json', 'grafana/provisioning/dashboards/kvmio.yml'],
      ...['prometheus/alertmanager.yml', 'prometheus/rules/alerts.yml', 'packaging/kvmio.service'],
      ...['dist/web/live/script.mjs', 'dist/web/live/style.css', 'dist/web/live/icon.svg'],
    ]) {
      t.ok(files.includes(file), file)
    }
    t.strictSame(
      files.filter((file) =>
        /^(src|test|scripts|node_modules|grafana\/src|prometheus\/tests)\/|\.ts$/.test(file),
      ),
      [],
      'and nothing else',
    )
  })

  const offline = await install(work, tarball)
  await t.test('runs on this Node', { skip: offline }, async (t) => {
    const { stdout } = await exec('env', [...clean, launcher, '--version'], { cwd: work })
    t.equal(stdout, `${version}\n`)
  })

  const old = olderNode()
  const skip = offline || (old === undefined && 'no Node older than 24 is on the PATH')
  await t.test('says what an older Node lacks', { skip }, async (t) => {
    const { status, stdout, stderr } = spawnSync('env', [
      ...clean,
      old!.file,
      launcher,
      '--version',
    ])
    t.equal(status, 2)
    t.equal(stdout.toString(), '')
    t.equal(
      stderr.toString(),
      `kvmio needs Node 24 or newer, this is ${old!.version}; install it from nodejs.org or your distribution, or run it with: npx -p node@24 -p kvmio kvmio\n`,
    )
  })
})

/** Packs a copy, so that no dist/ comes to stand in the repository; the files in the tarball. */
async function pack(work: string, tarball: string): Promise<string[]> {
  const copy = join(work, 'copy')
  const names = [
    'bin',
    'packaging',
    'scripts',
    'src',
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
  ]
  const documents = ['README.md', 'LICENSE', 'CHANGELOG.md', 'kvmio.yaml']
  const beside = ['docs', 'grafana', 'packaging', 'prometheus', 'studies']
  for (const name of [...names, ...documents, ...beside].filter((name) =>
    existsSync(join(root, name)),
  )) {
    await cp(join(root, name), join(copy, name), { recursive: true })
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
  await exec('env', [...clean, 'npm', 'pack', '--pack-destination', work], { cwd: copy })
  const { stdout } = await exec('tar', ['-tzf', tarball])
  return stdout
    .trim()
    .split('\n')
    .map((file) => file.replace(/^package\//, ''))
}

/** Installs the tarball as a user does; the reason to skip what follows where there is no registry to be reached. */
async function install(work: string, tarball: string): Promise<string | false> {
  const options = ['--prefix', join(work, 'prefix'), '--prefer-offline', '--no-audit', '--no-fund']
  try {
    await exec('env', [...clean, 'npm', 'install', '--global', ...options, tarball], { cwd: work })
    return false
  } catch (error) {
    const { stderr } = error as { stderr: string }
    if (OFFLINE.test(stderr)) return 'the npm registry cannot be reached'
    throw error
  }
}

function olderNode(): { file: string; version: string } | undefined {
  const files = (process.env.PATH ?? '').split(':').map((directory) => join(directory, 'node'))
  for (const file of new Set(files)) {
    const { status, stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' })
    const version = stdout?.trim()
    if (status === 0 && Number(/^v(\d+)/.exec(version)?.[1]) < 24) return { file, version }
  }
  return undefined
}
