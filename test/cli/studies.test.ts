import t, { type Test } from 'tap'
import { findStudies } from '../../src/cli/studies.ts'
import { loadConfig } from '../../src/config/load.ts'

const IDLE = '{ guest: student, workload: { idle: {} } }'
const CONFIG = `state: /s
tiers: { local: { directory: ./images } }
guests: { student: { drives: { root: { tier: local, size: 1GiB } } } }
studies: { demo: ${IDLE}, paper-a: ${IDLE} }
`
const SUITE = `studies:\n  a: ${IDLE}\n  b: ${IDLE}\n`

/** What words stand for, as names and references, or the error; paths without their folder. */
async function named(t: Test, ...words: string[]) {
  const folder = t.testdir({
    'kvmio.yaml': CONFIG,
    'beside.yaml': SUITE,
    studies: { 'suite.yaml': SUITE, 'demo.yaml': SUITE, 'other.yaml': CONFIG, 'notes.txt': '' },
  })
  const config = await loadConfig(`${folder}/kvmio.yaml`)
  const found = findStudies(
    words.map((word) => word.replace('FOLDER', folder)),
    config,
  )
  return await found.then(
    (studies) => studies.map(({ name, reference }) => [name, reference.replace(folder, 'FOLDER')]),
    (error: Error) => error.message.replaceAll(folder, 'FOLDER'),
  )
}

const SUITE_FILE = 'FOLDER/studies/suite.yaml'

t.test('what words stand for', async (t) => {
  t.strictSame(await named(t, 'demo'), [['demo', 'demo']], 'the config comes before suites')
  t.strictSame(await named(t, 'suite'), [
    ['suite-a', `${SUITE_FILE}#a`],
    ['suite-b', `${SUITE_FILE}#b`],
  ])
  t.strictSame(await named(t, 'suite#b'), [['suite-b', `${SUITE_FILE}#b`]])
  t.strictSame(await named(t, `${SUITE_FILE}#b`), [['suite-b', `${SUITE_FILE}#b`]])
  t.strictSame(await named(t, 'beside#a'), [['beside-a', 'FOLDER/beside.yaml#a']])
  t.strictSame(await named(t, 'demo#a'), [['demo-a', 'FOLDER/studies/demo.yaml#a']])
})

t.test('several words, each study once, in their order', async (t) => {
  t.match(await named(t, 'suite#b', 'demo', 'suite#a', 'demo', 'suite#b'), [
    ['suite-b'],
    ['suite-a'],
    ['demo'],
  ])
  t.strictSame(
    await named(t, 'suite#b', 'suite'),
    await named(t, 'suite'),
    'a part of what is wanted whole is no more than that',
  )
})

t.test('words that stand for nothing', async (t) => {
  const has = 'FOLDER/kvmio.yaml has demo, paper-a; suites beside it are beside, demo, suite'
  t.equal(await named(t, 'nothing'), `no study nothing; ${has}`)
  t.equal(await named(t, 'nothing#a'), `no study nothing; ${has}`)
  t.equal(await named(t, 'suit'), `no study suit; ${has}; did you mean suite?`)
  t.equal(await named(t, 'suite#c'), `${SUITE_FILE}: no study c; it has a, b`)
  t.match(await named(t, 'FOLDER/no.yaml'), /no\.yaml: no such file/)
})

t.test('a suite whose vms would be called like those of the config', async (t) => {
  const folder = t.testdir({ 'kvmio.yaml': CONFIG, 'paper.yaml': SUITE })
  const config = await loadConfig(`${folder}/kvmio.yaml`)
  await t.rejects(findStudies(['paper'], config), {
    message: `${folder}/paper.yaml:2:3: studies.a: expected a name that the config file does not use for a study, got paper-a, which it does`,
  })
})
