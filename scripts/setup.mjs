// Makes `npm start`, `npm run stack` and `npm test` work on a fresh Debian or Ubuntu: what is missing is installed, what is
// there is left alone. Plain JavaScript without dependencies: it runs before node_modules exists, on Node 20 as on 24.
//
//   node scripts/setup.mjs [--stack] [--test] [--accuracy]

import { spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fetchTools, missingTools } from './tools.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const forStack = process.argv.includes('--stack')
const forTests = process.argv.includes('--test')
const forAccuracy = process.argv.includes('--accuracy')

// Programs and the Debian package that has each. None of them brings a daemon: sysstat's collection and `fio --server`
// are units that Debian ships switched off. nbdfuse needs no fusermount3 (fuse3), since a tier with a disk of its own is
// made by root; fuse3 and xfsprogs would rebuild the host's initramfs.
const FOR_TESTS = [
  ['sfdisk', 'fdisk', 'reads the partitions that the installer made'],
  ['openssl', 'openssl', 'makes certificates for the tests of TLS'],
  ['curl', 'curl', 'asks as a stranger does'],
]
const PROGRAMS = [
  ['qemu-system-x86_64', 'qemu-system-x86', 'runs the guests'],
  ['qemu-img', 'qemu-utils', 'makes disk images'],
  ['nbdkit', 'nbdkit', 'emulates a disk of a known speed'],
  ['nbdfuse', 'libnbd-bin', 'puts the emulated disk under a loop device'],
  ['iostat', 'sysstat', "gives the host's second opinion on its devices"],
  ['fio', 'fio', 'calibrates tiers'],
  ['cpio', 'cpio', "packs the built-in guest's initramfs"],
  ['xz', 'xz-utils', "unpacks the built-in guest's kernel"],
  ['mkfs.ext4', 'e2fsprogs', 'makes the filesystem of a tier'],
  ['losetup', 'mount', 'makes a loop file a device'],
  ['mkfs.vfat', 'dosfstools', "makes the seed of a user's cloud image"],
  ['mcopy', 'mtools', "fills the seed of a user's cloud image"],
  ['debootstrap', 'debootstrap', 'builds the guest system debian'],
  ...(forTests ? FOR_TESTS : []),
  // Ubuntu's package of that name is a snap, with a daemon of its own; there the test of the live page is skipped.
  ...(forTests && isDebian() ? [['chromium', 'chromium', 'shows the live page to its test']] : []),
  ...(forAccuracy ? [['bpftrace', 'bpftrace', "traces the kernel's block layer"]] : []),
]

class SetupError extends Error {}

try {
  await main()
} catch (error) {
  console.error(error instanceof SetupError ? error.message : error)
  process.exitCode = 1
}

async function main() {
  checkHost()
  const steps = await neededSteps()
  if (steps.length === 0) return
  if (!process.env.KVMIO_SETUP_LOCKED) {
    runLocked()
    return
  }
  for (const { what, why, act } of steps) {
    const start = Date.now()
    console.log(`setup: ${what}: ${why}`)
    await act()
    console.log(`setup: ${what}: done in ${((Date.now() - start) / 1000).toFixed(1)} s`)
  }
}

/** What is to be done, the steps that may not be possible first: nothing is begun that cannot be ended. */
async function neededSteps() {
  const steps = []
  const lacking = PROGRAMS.filter(([program]) => !find(program))
  if (lacking.length > 0) steps.push(packagesStep(lacking))
  const fresh = npmIsFresh()
  if (!fresh) {
    steps.push({
      what: 'npm packages',
      why: 'node_modules is missing or older than package-lock.json',
      act: npmPackages,
    })
  }
  if (!forTests && !forStack) return steps
  if (forTests && (!fresh || !tapIsBuilt())) {
    steps.push({ what: 'tap', why: 'its plugins are not yet those of .taprc', act: buildTap })
  }
  const tools = find('apt-get') ? await missingTools() : []
  if (tools.length > 0) {
    const use = forTests ? 'tests check rules with them' : 'they look after what kvmio measures'
    const why = `${use}; unpacked into .kvmio/tools, not installed`
    steps.push({ what: tools.join(', '), why, act: () => fetchedTools(tools) })
  }
  return steps
}

function isDebian() {
  try {
    return /^ID="?debian"?$/m.test(readFileSync('/etc/os-release', 'utf8'))
  } catch {
    return false
  }
}

function checkHost() {
  const [major = 0] = process.versions.node.split('.').map(Number)
  if (process.platform !== 'linux') {
    throw new SetupError(`kvmio measures Linux hosts; this is ${process.platform}.`)
  }
  if (major < 20) {
    throw new SetupError(
      `setup needs Node 20 or newer, this is ${process.version}; install a newer one from nodejs.org or your distribution.`,
    )
  }
}

// One set-up at a time: a second terminal waits for the first and then finds everything done. The lock is the kernel's, so
// that an interrupted set-up leaves none behind.
function runLocked() {
  mkdirSync(join(root, '.kvmio'), { recursive: true })
  const lock = join(root, '.kvmio/setup.lock')
  const again = [process.execPath, ...process.argv.slice(1)]
  const env = { ...process.env, KVMIO_SETUP_LOCKED: '1' }
  const BUSY = 75
  const locked = (options) =>
    spawnSync('flock', [...options, lock, ...again], { stdio: 'inherit', env })
  let result = locked(['--nonblock', '--conflict-exit-code', String(BUSY)])
  if (result.status === BUSY) {
    console.log('setup: another set-up is at work in this folder; waiting for it to end')
    result = locked([])
  }
  if (result.error) throw new SetupError(`setup: cannot run flock: ${result.error.message}`)
  process.exitCode = result.status ?? 1
}

function packagesStep(lacking) {
  const packages = [...new Set(lacking.map(([, name]) => name))]
  const apt = `apt-get install -y --no-install-recommends ${packages.join(' ')}`
  if (!find('apt-get')) {
    const list = lacking.map(([program, , why]) => `  ${program} (${why})`)
    throw new SetupError(
      `These programs are missing, and this is neither Debian nor Ubuntu. Please install them:\n${list.join('\n')}`,
    )
  }
  const before = asRoot()
  if (!before) {
    throw new SetupError(
      `Debian packages are missing, and they can be installed neither as this user nor with sudo -n. Please run:\n  sudo ${apt}`,
    )
  }
  const why = lacking.map(([, name, reason]) => `${name} ${reason}`).join('; ')
  return { what: 'Debian packages', why, act: () => install(before, apt.split(' '), lacking) }
}

/** What to put before a command so that it runs as root; nothing where that cannot be had without a question. */
function asRoot() {
  if (process.getuid() === 0) return ['env']
  if (find('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0) {
    return ['sudo', '-n', 'env']
  }
}

function install(before, apt, lacking) {
  // needrestart would restart services of the host that have nothing to do with us.
  const env = ['DEBIAN_FRONTEND=noninteractive', 'NEEDRESTART_SUSPEND=1']
  const options = ['-q', '-o', 'DPkg::Lock::Timeout=120']
  const run = ([command, ...args]) =>
    attempt([...before, ...env, command, ...options, ...args], process.cwd())
  const update = () => run(['apt-get', 'update'])
  if (listsAreEmpty()) update()
  let problem = run(apt)
  if (problem) {
    update() // old lists name packages that the mirror no longer has
    problem = run(apt)
  }
  const still = lacking.filter(([program]) => !find(program)).map(([program]) => program)
  if (problem) throw new SetupError(`setup: ${apt.join(' ')} failed:\n${problem}`)
  if (still.length > 0) {
    throw new SetupError(`setup: installed, but not found on the PATH: ${still.join(', ')}`)
  }
}

function listsAreEmpty() {
  try {
    return !readdirSync('/var/lib/apt/lists').some((name) => name.includes('_Packages'))
  } catch {
    return true
  }
}

// npm writes .package-lock.json last, so that an install which was broken off counts as none.
function npmIsFresh() {
  const wanted = modified(join(root, 'package-lock.json'))
  const installed = modified(join(root, 'node_modules/.package-lock.json'))
  return installed >= wanted && installed > 0 && modified(nodeBinary()) > 0
}

// Errors only: on Node 20 npm warns (EBADENGINE) that kvmio wants Node 24, which the `node` package, one of those that it
// is just installing, provides.
function npmPackages() {
  if (lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    throw new SetupError(
      'setup: node_modules is a link, and npm ci would empty what it points to; remove the link first.',
    )
  }
  const problem = attempt(['npm', 'ci', '--loglevel=error', '--no-audit', '--no-fund'], root)
  if (problem) throw new SetupError(`setup: npm ci failed:\n${problem}`)
  if (modified(nodeBinary()) === 0) {
    throw new SetupError(
      'setup: npm ci did not run the install script of the package "node", which brings Node 24; allow it: npm config set ignore-scripts false',
    )
  }
}

function nodeBinary() {
  return join(root, 'node_modules/node/bin/node')
}

// The plugin set is compiled into node_modules. The built file imports each plugin by name.
function tapIsBuilt() {
  const built = read(join(root, 'node_modules/@tapjs/test/test-built/dist/esm/index.js'))
  if (built === undefined) return false
  const named = read(join(root, '.taprc')).matchAll(/^ *- '(!?)(@[\w/-]+)'$/gm)
  return [...named].every(([, without, name]) => built.includes(`from "${name}"`) === !without)
}

function buildTap() {
  const problem = attempt([nodeBinary(), join(root, 'node_modules/.bin/tap'), 'build'], root)
  if (problem) throw new SetupError(`setup: tap build failed:\n${problem}`)
}

async function fetchedTools(tools) {
  try {
    await fetchTools(tools)
  } catch (error) {
    const cost = forTests
      ? 'tests that need them will be skipped'
      : 'there is no stack without them'
    console.log(`setup: not fetched, ${cost}: ${error.message.trim()}`)
  }
}

/** Runs a command; when it failed, what it said: npm names the mistake first, apt-get last. */
function attempt([command, ...args], cwd) {
  const options = { cwd, encoding: 'utf8', maxBuffer: 2 ** 26 }
  const { status, error, stdout, stderr } = spawnSync(command, args, options)
  if (error) return error.message
  if (status === 0) return undefined
  const lines = `${stdout}\n${stderr}`.trim().split('\n')
  if (lines.length > 20) lines.splice(10, lines.length - 20, '…')
  return lines.join('\n')
}

/** Where a program is; Debian's root programs are not on everybody's PATH. */
function find(program) {
  const path = `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`
  return path.split(':').find((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function modified(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
