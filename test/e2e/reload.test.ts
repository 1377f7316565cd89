import { join } from 'node:path'
import t from 'tap'
import {
  applianceOrLack,
  guestOn,
  homeFor,
  journal,
  kvmio,
  LOCAL,
  nothingLeft,
  processes,
  says,
  scrape,
  serve,
  until,
  writeConfig,
} from './kvmio.ts'

const { lack: skip } = await applianceOrLack()

const IDLE = { idle: { time: '1s' } }
const CONFIG = { tiers: { local: LOCAL }, guests: { small: guestOn('local') }, studies: {} }

t.test('serve and a config that changes', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const serving = await serve(home)
  const reload = async () => {
    const page = await scrape(serving)
    return {
      successful: page.value('kvmio_config_last_reload_successful'),
      time: page.value('kvmio_config_last_reload_success_timestamp_seconds') ?? 0,
    }
  }
  const taken = () => serving.said().split('config taken over').length - 1
  const refused = () => serving.said().split('config not taken over').length - 1
  const post = async () => {
    const response = await fetch(`${serving.url}/-/reload`, { method: 'POST' })
    return { status: response.status, text: await response.text() }
  }
  const first = await reload()
  t.equal(first.successful, 1)

  await t.test('a new study is started when the file has it', async (t) => {
    home.config = {
      ...home.config,
      studies: {
        later: { guest: 'small', pause: '1m', workload: IDLE, schedule: 'continuous' },
      },
    }
    await writeConfig(home, home.config)
    await says(serving, 'config taken over')
    const now = await reload()
    t.equal(now.successful, 1)
    t.ok(now.time > first.time)
    await says(serving, /run 1: later, only: passed/)
    t.match(journal(home), [{ id: 1, study: 'later', outcome: 'passed' }])
  })

  await t.test('a bad one leaves the old in force', async (t) => {
    const before = await reload()
    const problem = `${home.configFile}:2:12: state: expected ${home.state} as long as kvmio runs, got ${home.directory}/other; start it again to change it`
    await writeConfig(home, { ...home.config, state: 'other' })
    await until('the file to be refused', () => refused() === 1)
    t.match(serving.said(), problem)
    t.strictSame(await reload(), { successful: 0, time: before.time })

    t.strictSame(await post(), { status: 500, text: `${problem}\n` })
    serving.kill('SIGHUP')
    await until('SIGHUP to be refused', () => refused() === 3)
    t.strictSame(await reload(), { successful: 0, time: before.time })
    t.equal(taken(), 1)
    t.equal((await scrape(serving)).value('kvmio_study_running', { study: 'later' }), 0)
  })

  await t.test('a good one is for what starts next', async (t) => {
    const guests = { small: guestOn('local', { memory: '128MiB' }) }
    home.config = { ...home.config, guests }
    await writeConfig(home, home.config)
    await until('the file to be taken over', () => taken() === 2)
    t.strictSame(await post(), { status: 200, text: 'The config was reloaded.\n' })
    serving.kill('SIGHUP')
    await until('SIGHUP to be obeyed', () => taken() === 4)
    t.equal((await reload()).successful, 1)

    const run = kvmio(home, ['run', 'later', '--once'])
    const [qemu] = await until('qemu to run', async () => {
      const found = await processes(join(home.state, 'vms/later-only-1/qmp.sock'))
      return found.length > 0 && found
    })
    t.match(qemu?.command, ' -m size=128M ')
    const { code, stderr } = await run.end()
    t.equal(code, 0, stderr)
  })

  serving.kill('SIGTERM')
  t.equal((await serving.end()).code, 0)
  await nothingLeft(t, home)
})
