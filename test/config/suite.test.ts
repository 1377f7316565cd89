import t from 'tap'
import { parseConfig } from '../../src/config/load.ts'
import { loadSuite } from '../../src/config/suite.ts'

const FILE = '/lab/kvmio.yaml'
const config = parseConfig(
  `tiers: { local: { directory: /images } }
guests: { student: { drives: { root: { tier: local, size: 1GiB } } } }
studies: { demo: { guest: student, workload: { idle: {} } } }
`,
  FILE,
)
const STUDY = '{ guest: student, workload: { idle: {} }, factors: { drives.root.bus: [ide] } }'
const WRITE = '{ guest: student, workload: { boot-write-shutdown: { write: 512MiB } } }'

/** The suite of a file beside others, or what is wrong with it. */
async function suite(files: Record<string, string>, name = 'paper.yaml', parts?: string[]) {
  const folder = t.testdir(files)
  return await loadSuite(`${folder}/${name}`, config, parts).catch((error: Error) =>
    error.message.replaceAll(`${folder}/`, ''),
  )
}

t.test('a suite uses the tiers and guests of the config', async (t) => {
  const found = await suite({ 'paper.yaml': `studies:\n  buses: ${STUDY}\n  demo: ${STUDY}\n` })
  t.match(found, {
    name: 'paper',
    studies: {
      buses: { factors: { 'drives.root.bus': ['ide'] } },
      demo: {}, // its vms are called paper-demo-…, and those of the config demo-…
    },
  })
})

const LACKS = `paper.yaml: ${FILE} does not have its `
const BAD: [text: string, message: string][] = [
  ['', 'paper.yaml:1:1: expected a mapping with studies, got an empty file'],
  ['{}', 'paper.yaml:1:1: studies: expected a mapping, got nothing'],
  ['studies: {}\nguests: {}\n', 'paper.yaml:2:1: guests: unknown key; known keys are studies'],
  [
    `studies:\n  a: ${STUDY.replace('student', 'studnet')}\n`,
    'paper.yaml:2:15: studies.a.guest: expected a guest: student, got "studnet"; did you mean student?',
  ],
  [
    `studies:\n  a: ${STUDY.replace('bus: [ide]', 'tier: [ext4, local, lvm]')}\n  b: ${WRITE.replace('{ guest', '{ settings: { drives.root.tier: xfs }, guest')}\n`,
    `${LACKS}tiers ext4, lvm, xfs`,
  ],
  [
    `studies:\n  a: ${STUDY.replace('student', 'server')}\n  b: ${WRITE.replace('student', 'server')}\n  c: { guest: student, vms: 0, workload: { idle: {} } }\n`,
    'paper.yaml:4:29: studies.c.vms: expected a whole number from 1 to 500, got 0\n' +
      `${LACKS}guest server`,
  ],
  [
    `studies:\n  a: ${STUDY.replace('bus:', 'buss:')}\n`,
    'paper.yaml:2:59: studies.a.factors.drives.root.buss: expected a key of drives.root: tier, passthrough, bus, format, size, preallocation, clusterSize, lazyRefcounts, extendedL2, backing, cache, aio, discard, detectZeroes, iothread, queues or throttle, got "buss"; did you mean bus?',
  ],
]

t.test('mistakes of a suite', async (t) => {
  for (const [text, message] of BAD) t.equal(await suite({ 'paper.yaml': text }), message)
  t.equal(
    await suite({ 'Paper.yaml': '{}' }, 'Paper.yaml'),
    'Paper.yaml: the file\'s name is the suite\'s: expected a name of at most 24 lower-case letters, digits and dashes, got "Paper"',
  )
})

t.test('what a part does not need may be missing', async (t) => {
  const files = {
    'paper.yaml': `studies:\n  a: ${STUDY}\n  b: ${STUDY.replace('student', 'server')}\n`,
  }
  t.match(await suite(files), /b.guest: expected a guest: student, got "server"/)
  t.match(
    await suite({
      ...files,
      'paper.yaml': files['paper.yaml'].replaceAll('student', 'server'),
      'kvmio.yaml': '',
    }),
    /^paper.yaml: \/lab\/kvmio.yaml does not have its guest server; try --config.file kvmio.yaml$/,
  )
  t.match(await suite(files, 'paper.yaml', ['a']), { studies: { a: {} } })
  t.equal(await suite(files, 'paper.yaml', ['c']), 'paper.yaml: no study c; it has a, b')
})

t.test('a suite that is another one at a smaller scale', async (t) => {
  const base = `studies:\n  a: ${STUDY}\n  b: ${WRITE}\n`
  const small = (settings: string) =>
    `extends: paper.yaml\nscale: a tenth\nsettings:\n  drives.root.size: 64MiB\n  ${settings}\n`
  const files = {
    'paper.yaml': base,
    'small.yaml': small('workload.boot-write-shutdown.write: 32MiB'),
  }
  t.match(await suite(files, 'small.yaml'), {
    name: 'small',
    studies: {
      a: { scale: 'a tenth', settings: { 'drives.root.size': '64MiB' } },
      b: {
        scale: 'a tenth',
        settings: { 'drives.root.size': '64MiB', 'workload.boot-write-shutdown.write': '32MiB' },
      },
    },
  })
  t.notMatch(await suite(files, 'small.yaml'), {
    studies: { a: { settings: { 'workload.boot-write-shutdown.write': '32MiB' } } },
  })
  const rules = 'workload.boot-write-shutdown.write: 1MiB\nblocks: 8\npause: 1s\ndrift: 20%'
  t.match(
    await suite(
      {
        'paper.yaml': base.replace('factors', 'reference: ide, factors'),
        'small.yaml': small(rules),
      },
      'small.yaml',
    ),
    {
      studies: {
        a: {
          blocks: { min: 8, max: 8 },
          pause: 1,
          reference: { case: 'ide', drift: 0.2, repeats: 2 },
        },
        b: { blocks: { min: 8, max: 8 }, pause: 1, reference: undefined },
      },
    },
  )
  t.match(await suite(files, 'small.yaml', ['a']), { studies: { a: { scale: 'a tenth' } } })

  const bad: [settings: string, message: string][] = [
    [
      'workload.boot-write-shutdown.write: 32',
      'small.yaml:5:39: settings.workload.boot-write-shutdown.write: expected a size with a unit, such as 64KiB, 192MiB or 4GiB, got 32',
    ],
    [
      'workload.fio.job: x',
      'small.yaml:5:3: settings.workload.fio.job: expected a key that one of its studies has, got "workload.fio.job"',
    ],
    [
      'workload.boot-write-shutdown.write: 128MiB',
      'small.yaml:1:1: studies.b.workload.boot-write-shutdown.write: expected at most 57.6 MiB (nine tenths of drive root), got 128 MiB',
    ],
  ]
  for (const [settings, message] of bad) {
    t.equal(await suite({ ...files, 'small.yaml': small(settings) }, 'small.yaml'), message)
  }
  const twice = { ...files, 'tiny.yaml': small('vcpus: 1').replace('paper', 'small') }
  t.equal(
    await suite(twice, 'tiny.yaml'),
    'tiny.yaml:1:10: extends: expected a suite that extends no other, got one that does',
  )
})
