// The systems that boot from their drive, for real: minutes under TCG, so it is a suite of its own (npm run test:systems).
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import { BUSES } from '../../src/config/drive-schema.ts'
import { buildDebian, buildDisk } from '../../src/guest/systems/debian.ts'
import { UnavailableError } from '../../src/lib/errors.ts'
import { silentLog } from '../../src/lib/log.ts'
import {
  type ConfigText,
  type Home,
  homeFor,
  journal,
  kvmio,
  LOCAL,
  nothingLeft,
  repository,
} from '../e2e/kvmio.ts'

const MIB = 2 ** 20
const RUN_MS = 900_000
const cacheDir = join(repository, '.kvmio/systems')

let lack: string | false = false
let debianImage = ''
let cloudImage = ''
try {
  const options = { cacheDir, log: silentLog }
  const debian = await buildDebian(options)
  // python3-cryptography wants this by a virtual package, which debootstrap does not resolve.
  const packages = ['cloud-init', 'python3-cffi-backend']
  const cloud = await buildDisk(options, 'cloud-init', { packages, files: [] })
  debianImage = debian.image
  cloudImage = cloud.image
  t.comment(`debian built in ${debian.builtIn} s, with cloud-init in ${cloud.builtIn} s`)
} catch (error) {
  if (!(error instanceof UnavailableError)) throw error
  lack = error.message
}

/** A machine that boots from its drive; the times are for a host with others at work. */
function guestWith(system: unknown, drive: ConfigText = {}, more: ConfigText = {}): ConfigText {
  return {
    system,
    memory: '160MiB',
    accel: 'tcg',
    deadlines: { boot: '10m' },
    ...more,
    drives: { root: { tier: 'local', size: '1GiB', ...drive } },
  }
}

const DISKS: Record<(typeof BUSES)[number], string> = {
  'virtio-blk': 'vda',
  'virtio-scsi': 'sda',
  ide: 'sda',
  sata: 'sda',
  scsi: 'sda',
  pvscsi: 'sda',
  nvme: 'nvme0n1',
}

const study = (guest: string, workload: unknown, more: ConfigText = {}) => ({
  guest,
  workload,
  blocks: 1,
  pause: '0s',
  ...more,
})

const JOB = `[mixed]
rw=randrw
bs=4k
size=4m
direct=1
ioengine=libaio
iodepth=4
`

const CONFIG = {
  tiers: { local: LOCAL },
  guests: {
    debian: guestWith('debian'),
    large: guestWith('debian', { size: '2GiB' }),
    roomy: guestWith('debian', {}, { memory: '192MiB' }),
    cloud: guestWith({ image: cloudImage, format: 'raw' }, {}, { memory: '384MiB' }),
    speaks: guestWith({ image: debianImage, format: 'raw', seed: 'none' }),
  },
  studies: {
    buses: study(
      'debian',
      { idle: { time: '1s' } },
      { factors: { 'drives.root.bus': [...BUSES] } },
    ),
    images: study(
      'large',
      { 'boot-write-shutdown': { write: '700MiB', blockSize: '1MiB', settle: '1s' } },
      { factors: { 'drives.root.format': ['qcow2', 'raw'] } },
    ),
    laid: study(
      'debian',
      { idle: { time: '1s' } },
      { factors: { 'drives.root.preallocation': ['metadata'] } },
    ),
    fio: study('roomy', { fio: { job: JOB } }),
    late: study('debian', { script: { run: 'echo begun\nsleep 600\n', timeout: '2s' } }),
    cloud: study('cloud', { script: { run: 'kvmio-phase work\necho told\nuname >name\nsync\n' } }),
    speaks: study('speaks', { script: { run: 'kvmio-phase work\n' } }),
  },
}

t.test('the system debian boots by BIOS from every bus', { skip: lack }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const { code, stderr } = await kvmio(home, ['run', 'buses', '--once']).end(2 * RUN_MS)
  t.equal(code, 0, stderr)
  const runs = journal(home)
  t.strictSame(runs.map(({ case: name }) => name).sort(), [...BUSES].sort())
  for (const { case: bus, vms } of runs) {
    t.strictSame(vms[0]?.phases, ['boot', 'idle', 'shutdown', 'off'], bus)
    const [disk] = lastSample(home, vms[0]!.name).guestDisks
    t.strictSame([disk?.drive, disk?.disk], ['root', DISKS[bus as keyof typeof DISKS]])
  }
  await nothingLeft(t, home)
})

t.test(
  'an overlay and a copy, which the guest makes as large as its drive',
  { skip: lack },
  async (t) => {
    const home = await homeFor(t, CONFIG)
    const { code, stderr } = await kvmio(home, ['run', 'images', 'laid', '--once']).end(2 * RUN_MS)
    t.equal(code, 0, stderr)
    for (const { study: name, vms } of journal(home)) {
      const sample = lastSample(home, vms[0]!.name)
      const [{ write } = { write: { bytes: 0 } }] = sample.drives
      const guest = Number(sample.guestDisks[0]?.stat.split(' ')[6]) * 512
      t.ok(write.bytes >= guest, `${name}: the guest wrote ${guest} bytes, qemu ${write.bytes}`)
      if (name === 'images') t.ok(guest >= 700 * MIB, 'more than the image has room for')
    }
    await nothingLeft(t, home)
  },
)

t.test(
  'fio, whose result is in the journal, and a script that takes too long',
  { skip: lack },
  async (t) => {
    const home = await homeFor(t, CONFIG)
    const fio = await kvmio(home, ['run', 'fio', '--once']).end(RUN_MS)
    t.equal(fio.code, 0, fio.stderr)
    t.match(
      fio.stdout,
      /\nonly +read +\d+\.\d +\d+ +\d+\.\d\d\nonly +write +\d+\.\d +\d+ +\d+\.\d\d\n/,
    )
    const [{ content } = { content: '' }] = query<{ content: string }>(
      home,
      'SELECT * FROM results',
    )
    const { jobs } = JSON.parse(content)
    t.equal(jobs[0].read.io_bytes + jobs[0].write.io_bytes, 4 * MIB)

    const late = await kvmio(home, ['run', 'late', '--once']).end(RUN_MS)
    t.equal(late.code, 1)
    t.match(journal(home).at(-1)?.reason, /^vm late-only-1: script: did not end in 2 s; begun/)
    await nothingLeft(t, home)
  },
)

t.test('an image with cloud-init runs a workload unchanged', { skip: lack }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const { code, stderr } = await kvmio(home, ['run', 'cloud', 'speaks', '--once']).end(2 * RUN_MS)
  t.equal(code, 0, stderr)
  for (const { study: name, vms } of journal(home)) {
    const phases = ['boot', 'prepare', 'script', 'work', 'shutdown', 'off']
    t.strictSame(vms[0]?.phases, phases, name)
    t.strictSame(
      lastSample(home, vms[0]!.name).guestDisks.map(({ drive }) => drive),
      ['root'],
    )
  }
  await nothingLeft(t, home)
})

interface Sample {
  drives: { id: string; write: { bytes: number } }[]
  guestDisks: { drive: string; disk: string; stat: string }[]
}

function lastSample(home: Home, vm: string): Sample {
  const [row] = query<{ last_sample: string }>(
    home,
    `SELECT last_sample FROM vms WHERE name = '${vm}'`,
  )
  return JSON.parse(row?.last_sample ?? '{}')
}

function query<Row>({ state }: Home, sql: string): Row[] {
  const db = new DatabaseSync(join(state, 'journal.sqlite'), { readOnly: true })
  try {
    return db.prepare(sql).all() as Row[]
  } finally {
    db.close()
  }
}
