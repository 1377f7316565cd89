import t from 'tap'
import { parseConfig } from '../../src/config/load.ts'
import { withWorkloadText } from '../../src/config/workload-text.ts'
import { planCases } from '../../src/study/plan.ts'

const LINES = '[a]\nrw=read\n'

/** The studies of a config in this folder. */
function configIn(folder: string, studies: object) {
  const drives = { root: { tier: 'local', size: '1GiB' } }
  const config = {
    state: '/state',
    tiers: { local: { directory: '/images' } },
    guests: { debian: { system: 'debian', drives } },
    studies,
  }
  return parseConfig(JSON.stringify(config), `${folder}/kvmio.yaml`)
}

t.test('what files say takes the place of their paths', async (t) => {
  const folder = t.testdir({ jobs: { 'a.fio': '[a]', 'b.fio': '[b]' }, 'a.sh': 'true' })
  const { studies, guests } = configIn(folder, {
    fio: {
      guest: 'debian',
      workload: { fio: { job: 'jobs/a.fio' } },
      factors: { 'workload.fio.job': ['jobs/a.fio', './jobs/b.fio', LINES] },
    },
    file: { guest: 'debian', workload: { script: { file: './a.sh' } } },
    run: { guest: 'debian', workload: { script: { run: 'false' } } },
  })
  const workloadOf = async (name: string) => (await withWorkloadText(name, studies[name]!)).workload
  t.match(await workloadOf('fio'), { job: '[a]\n' })
  t.match(await workloadOf('file'), { kind: 'script', run: 'true', file: undefined })
  t.match(await workloadOf('run'), { kind: 'script', run: 'false' })

  const cases = planCases(studies.fio!, guests.debian!)
  const jobs = cases.map(async ({ study }) => (await withWorkloadText('fio', study)).workload)
  t.match(await Promise.all(jobs), [{ job: '[a]\n' }, { job: '[b]\n' }, { job: LINES }])
})

t.test('a file that cannot be used is told by its key', async (t) => {
  const folder = t.testdir({ empty: '', large: 'x'.repeat(65_537), directory: {} })
  const table: [file: string, problem: string][] = [
    ['gone', `a file that can be read, got ${folder}/gone: no such file`],
    ['empty', 'a file of 1 to 65536 characters, got an empty one'],
    ['large', 'a file of 1 to 65536 characters, got 65537 characters'],
    [
      'directory',
      `a file that can be read, got ${folder}/directory: EISDIR: illegal operation on a directory, read`,
    ],
  ]
  for (const [file, problem] of table) {
    const { studies } = configIn(folder, {
      demo: { guest: 'debian', workload: { fio: { job: file } } },
    })
    await t.rejects(withWorkloadText('demo', studies.demo!), {
      name: 'ConfigError',
      message: `studies.demo.workload.fio.job: expected ${problem}`,
    })
  }
})
