import { chmod, readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { type Config, loadConfig, parseConfig } from '../../src/config/load.ts'
import { ConfigError } from '../../src/lib/errors.ts'
import { badConfigs } from './bad-configs.ts'

const FILE = '/lab/kvmio.yaml'

function messageFor(text: string, file = FILE, running?: Config): string {
  try {
    parseConfig(text, file, running)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return 'no mistake'
}

t.test('each mistake has its place and its sentence', async (t) => {
  for (const [mistake, text, message] of badConfigs) {
    t.equal(messageFor(text), `${FILE}:${message}`, mistake)
  }
})

t.test('all mistakes come at once, in the order of lines', async (t) => {
  const text = `
state: .kvmio
tiers:
  local: { directory: / }
guests:
  student:
    memory: 192
    drives:
      root: { tier: locla, size: 1GiB, cahce: none }
studies:
  demo:
    guest: student
    workload: { boot-write-shutdown: { drive: data } }
state: elsewhere
`
  t.equal(
    messageFor(text, 'kvmio.yaml'),
    [
      'kvmio.yaml:4:23: tiers.local.directory: expected a directory for images alone, got /',
      'kvmio.yaml:7:13: guests.student.memory: expected a size with a unit, such as 64KiB, 192MiB or 4GiB, got 192',
      'kvmio.yaml:9:21: guests.student.drives.root.tier: expected a tier: local, got "locla"; did you mean local?',
      'kvmio.yaml:9:40: guests.student.drives.root.cahce: unknown key; known keys are tier, passthrough, bus, format, size, preallocation, clusterSize, lazyRefcounts, extendedL2, backing, cache, aio, discard, detectZeroes, iothread, queues, throttle; did you mean cache?',
      'kvmio.yaml:13:47: studies.demo.workload.boot-write-shutdown.drive: expected a drive of guest student: root, got "data"',
      'kvmio.yaml:14:1: state: expected each key once, got it again after line 2',
    ].join('\n'),
  )
})

t.test('of a key that is there twice, the second one counts', async (t) => {
  t.equal(
    messageFor('state: 1\nstate: 2\n'),
    [
      `${FILE}:2:1: state: expected each key once, got it again after line 1`,
      `${FILE}:2:8: state: expected a path, got 2`,
    ].join('\n'),
  )
})

t.test('a mistake in an anchor is shown where it is used', async (t) => {
  const text = `tiers: { local: { directory: /images } }
guests:
  a: { drives: &drives { root: { tier: local, size: 1 } } }
  b: { drives: *drives }
`
  t.equal(
    messageFor(text),
    [
      `${FILE}:3:53: guests.a.drives.root.size: expected a size with a unit, such as 64KiB, 192MiB or 4GiB, got 1`,
      `${FILE}:4:8: guests.b.drives.root.size: expected a size with a unit, such as 64KiB, 192MiB or 4GiB, got 1`,
    ].join('\n'),
  )
})

t.test('a text that would burst is refused', async (t) => {
  const nines = (name: string) => `[${Array(9).fill(name)}]`
  const laughs = `a: &a ${nines('x')}\nb: &b ${nines('*a')}\nc: &c ${nines('*b')}\nd: ${nines('*c')}\n`
  t.equal(
    messageFor(laughs),
    `${FILE}:1:1: expected a text that can be unfolded, got one that cannot: Excessive alias count indicates a resource exhaustion attack`,
  )
  t.match(
    messageFor(`state: ${'['.repeat(20_000)}${']'.repeat(20_000)}`),
    /^\/lab\/kvmio\.yaml:1:\d+: expected a text that can be read, got one with too many brackets in brackets$/,
  )
  t.match(messageFor('tiers: &a { a: *a }'), /unknown key; known keys are directory/)
})

t.test('files that cannot be read', async (t) => {
  const folder = t.testdir({ 'latin1.yaml': '', 'secret.yaml': '' })
  await writeFile(`${folder}/latin1.yaml`, Buffer.from('# caf\xe9\n', 'latin1'))
  await t.rejects(loadConfig('kvmio-is-not-here.yaml'), {
    name: 'ConfigError',
    message:
      'kvmio-is-not-here.yaml: no such file; pass --config.file or start in the folder that has one',
  })
  const directory = await loadConfig(folder).catch((error) => error)
  t.equal(directory.message, `${folder}: expected a file, got a directory`)
  const latin1 = await loadConfig(`${folder}/latin1.yaml`).catch((error) => error)
  t.equal(latin1.message, `${folder}/latin1.yaml: expected UTF-8 text, got other bytes`)
  const below = await loadConfig(`${folder}/latin1.yaml/kvmio.yaml`).catch((error) => error)
  t.match(below.message, /kvmio\.yaml: cannot be read: ENOTDIR/)
})

const root = process.getuid?.() === 0 && 'root may read everything'
t.test('a file that only others may read', { skip: root }, async (t) => {
  const folder = t.testdir({ 'kvmio.yaml': '' })
  await chmod(`${folder}/kvmio.yaml`, 0)
  const error = await loadConfig(`${folder}/kvmio.yaml`).catch((error) => error)
  t.match(error.message, /cannot be read: EACCES/)
})

t.test('sockets of found vms are paths from the folder of the config', async (t) => {
  const of = (qmp: string) =>
    parseConfig(`discovery: { qemu: true, qmp: ${qmp} }\n`, FILE).discovery
  t.strictSame(of("'qmp/{vm}.sock'"), { qemu: true, qmp: '/lab/qmp/{vm}.sock' })
  t.strictSame(of('{ 100: /run/100.qmp, web1: web1.sock }'), {
    qemu: true,
    qmp: { 100: '/run/100.qmp', web1: '/lab/web1.sock' },
  })
})

t.test('what is said of a vm', async (t) => {
  const text = `tiers: { local: { directory: ../images } }
guests:
  student:
    drives: { root: { tier: local, size: 1GiB } }
    demand:
      transactionsPerSecond: { mean: 5 }
      boot: { transactionsPerSecond: 60, transactions: 1500 }
      cpu: 120%
      space: 300MiB
`
  t.strictSame(parseConfig(text, FILE).guests.student!.demand, {
    transactionsPerSecond: { mean: 5, class: 'random-write' },
    correlation: 0,
    boot: { transactionsPerSecond: 60, transactions: 1500 },
    cpu: 1.2,
    space: 300 * 2 ** 20,
  })
})

t.test('defaults are filled in and paths made absolute', async (t) => {
  const text = `tiers:
  local: { directory: ../images }
guests:
  own:
    system: { kernel: boot/vmlinuz, initrd: /boot/initrd }
    drives:
      root: { tier: local, size: 1.5GiB }
qemu: { binary: bin/qemu }
studies:
  kernels:
    guest: own
    workload: { idle: {} }
    factors: { system.kernel: [boot/linux-6.1, boot/linux-6.12] }
`
  const { hash, ...config } = parseConfig(text, FILE)
  t.match(hash, /^[0-9a-f]{64}$/)
  t.not(parseConfig(`${text}\n`, FILE).hash, hash)
  t.strictSame(config, {
    file: FILE,
    state: '/lab/.kvmio',
    qemu: { binary: '/lab/bin/qemu', user: 61177 },
    density: { zScore: 1.645, utilisationCap: 0.7, cpuCap: 0.8, memoryReserve: 2 ** 30 },
    retention: {
      samples: { age: 90 * 86_400, size: 2 ** 30 },
      images: { age: 90 * 86_400 },
    },
    freeSpaceFloor: 2 * 2 ** 30,
    discovery: { qemu: false },
    tiers: { local: { directory: '/images' } },
    guests: {
      own: {
        system: { kernel: '/lab/boot/vmlinuz', initrd: '/boot/initrd', append: '' },
        memory: 192 * 2 ** 20,
        vcpus: 1,
        accel: 'auto',
        deadlines: { start: 30, boot: 120, phase: 1800 },
        drives: {
          root: {
            tier: 'local',
            bus: 'virtio-blk',
            format: 'qcow2',
            size: 1.5 * 2 ** 30,
            preallocation: 'off',
            lazyRefcounts: false,
            extendedL2: false,
            backing: 0,
            cache: 'none',
            aio: 'threads',
            discard: 'ignore',
            detectZeroes: 'off',
            iothread: false,
          },
        },
      },
    },
    studies: {
      kernels: {
        guest: 'own',
        vms: 1,
        stagger: 0,
        hostCache: 'warm',
        workload: { kind: 'idle', time: 60 },
        factors: { 'system.kernel': ['/lab/boot/linux-6.1', '/lab/boot/linux-6.12'] },
        settings: {},
        include: [],
        exclude: [],
        blocks: { min: 6, max: 6 },
        pause: 10,
        tries: 3,
      },
    },
  })
})

t.test('the default config loads, and has a tier inside the state directory', async (t) => {
  const config = await loadConfig('kvmio.yaml')
  t.equal(config.state, resolve('.kvmio'))
  t.equal(config.tiers.local?.directory, resolve('.kvmio/local'))
  t.strictSame(config.tiers['sata-7200'], {
    filesystem: { type: 'ext4', size: 4 * 2 ** 30 },
    emulate: { serviceTime: 0.01 },
    target: { latency: 0.05 },
    capacity: { transactionsPerSecond: 100 },
  })
  t.equal(config.guests.student?.drives.root?.tier, 'sata-7200')
  t.strictSame(config.studies.demo?.workload, {
    kind: 'boot-write-shutdown',
    write: 48 * 2 ** 20,
    blockSize: 64 * 2 ** 10,
    to: 'filesystem',
    direct: true,
    settle: 10,
  })
})

t.test('the state directory stays while kvmio runs', async (t) => {
  const running = parseConfig('state: /old\n', FILE)
  t.equal(
    messageFor('qemu: {}\nstate: new\n', FILE, running),
    `${FILE}:2:8: state: expected /old as long as kvmio runs, got /lab/new; start it again to change it`,
  )
  t.equal(
    messageFor('qemu: {}\n', FILE, running),
    `${FILE}:1:1: state: expected /old as long as kvmio runs, got /lab/.kvmio; start it again to change it`,
  )
  t.equal(messageFor('state: ../old/\n', FILE, running), 'no mistake')
})

t.test('whatever the file holds, only a ConfigError comes of it', async () => {
  const keys = fc.oneof(
    fc.constantFrom(
      ...['state', 'qemu', 'tiers', 'guests', 'studies', 'local', 'drives', 'root', 'tier', 'size'],
      ...[
        'include',
        'exclude',
        'settings',
        'reference',
        'case',
        'blocks',
        'image',
        'name',
        'measure',
      ],
      ...['guest', 'workload', 'idle', 'factors', 'drives.root.bus', 'memory', 'system', 'vms'],
      ...[
        'boot-write-shutdown',
        'write',
        'directory',
        'filesystem',
        'emulate',
        'student',
        '__proto__',
      ],
    ),
    fc.string(),
  )
  const leaves = fc.oneof(
    fc.constantFrom(
      'local',
      'student',
      'root',
      'only',
      '1GiB',
      '-1GiB',
      '10ms',
      'appliance',
      'ide',
      '/',
    ),
    fc.string(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
  )
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 6, withCrossShrink: true },
      leaves,
      fc.dictionary(keys, tie('value'), { maxKeys: 5 }),
      fc.array(tie('value'), { maxLength: 4 }),
    ),
  }))
  fc.assert(
    fc.property(value, (value) => typeof messageFor(stringify(value)) === 'string'),
    { numRuns: 300 },
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => typeof messageFor(text) === 'string'),
    { numRuns: 300 },
  )

  // The default config with any one part exchanged: deep enough for the rules to see it.
  const text = await readFile('kvmio.yaml', 'utf8')
  const parts = partsOf(parse(text))
  fc.assert(
    fc.property(fc.nat(parts.length - 1), value, (part, value) => {
      const config: Record<string, unknown> = parse(text)
      const path = [...parts[part]!]
      const last = path.pop()!
      const parent = path.reduce<Record<string, unknown>>(
        (value, key) => value[key] as Record<string, unknown>,
        config,
      )
      parent[last] = value
      return typeof messageFor(stringify(config)) === 'string'
    }),
    { numRuns: 500 },
  )
})

function partsOf(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => [
    [...path, key],
    ...partsOf(inner, [...path, key]),
  ])
}
