// npm run test:service: the shipped unit under a real systemd, which is PID 1 of namespaces of its own.
import { access, mkdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { run } from '../../src/lib/process.ts'
import { removeCgroup } from '../../src/source/cgroup.ts'
import { readMounts } from '../../src/source/mounts.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import {
  applianceOrLack,
  guestOn,
  guestSays,
  type Home,
  homeFor,
  journal,
  LOCAL,
  nothingLeft,
  processes,
  qemuOf,
  repository,
  start,
  until,
  writes,
} from '../e2e/kvmio.ts'
import { freePort } from '../ports.ts'

const CGROUP = 'kvmio-test-service'
const TARGETS = ['sysinit', 'basic', 'shutdown', 'network', 'local-fs', 'remote-fs']
const VM = 'load-only-1'
const CONFIG = {
  tiers: { local: LOCAL },
  guests: { small: guestOn('local') },
  studies: {
    load: {
      guest: 'small',
      workload: writes('4MiB', '64KiB', '30m'), // until it is ended
      schedule: 'continuous',
    },
  },
}

const skip =
  (process.geteuid?.() === 0 ? false : 'needs root for namespaces') ||
  (await applianceOrLack()).lack ||
  (await missingPrograms(['unshare', 'nsenter', 'systemctl', 'awk'])) ||
  (await access('/lib/systemd/systemd').then(
    () => false,
    () => 'this host has no systemd',
  ))

t.test('the unit, started, restarted under load, killed and stopped', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const { systemctl, show, said, url } = await bootSystemd(t, home)

  await systemctl('start', 'kvmio')
  await answers(url)
  await guestSays(home, VM, ' phase settle')
  const qemu = await qemuOf(home, VM)
  const first = await show('MainPID')

  await t.test('a reload reads the config again', async (t) => {
    await systemctl('reload', 'kvmio')
    await until('the config to be taken over', async () => {
      return (await said()).includes('config taken over')
    })
    t.equal(await show('MainPID'), first, 'by the same process')
  })

  await t.test('a restart leaves the vm to the next kvmio', async (t) => {
    await systemctl('restart', 'kvmio')
    t.equal(await qemuOf(home, VM), qemu, 'it runs on')
    await adopted(url)
    t.equal(await qemuOf(home, VM), qemu, 'the same qemu')
    t.not(await show('MainPID'), first)
    t.match(await said(), 'SIGUSR2: leaving the vms to the next kvmio\n')
    t.equal(await show('NRestarts'), '0', 'this was no failure')
  })

  await t.test('a kvmio that is killed is started again, and so takes up the vm', async (t) => {
    await systemctl('kill', '--kill-whom=main', '-s', 'KILL', 'kvmio')
    await until('systemd to start it again', async () => (await show('NRestarts')) === '1')
    await adopted(url)
    t.equal(await qemuOf(home, VM), qemu, 'the same qemu')
  })

  await t.test('a stop ends the vm', async (t) => {
    await systemctl('stop', 'kvmio')
    t.strictSame(await processes(join(home.state, 'vms')), [])
    t.equal(await show('ActiveState'), 'inactive')
    t.equal(await show('Result'), 'success')
    t.equal(await show('ExecMainStatus'), '0')
  })
  t.match(journal(home), [
    { id: 1, study: 'load', outcome: 'abandoned', reason: 'ended by SIGTERM' },
  ])
  t.equal(journal(home).length, 1, 'one run through all of it')
  await nothingLeft(t, home)
})

async function answers(url: string): Promise<void> {
  await until('kvmio to be ready', () =>
    fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
}

async function adopted(url: string): Promise<void> {
  await until('the vm to be known', async () => {
    const page = await fetch(`${url}/metrics`).then(
      (answer) => answer.text(),
      () => '',
    )
    return page.includes(`kvmio_vm_up{vm="${VM}"} 1\n`)
  })
}

/** Boots systemd with the shipped unit, which runs these sources on the home's config. */
async function bootSystemd(t: Test, home: Home) {
  const { directory } = home
  const units = join(directory, 'units')
  await mkdir(join(units, 'kvmio.service.d'), { recursive: true })
  for (const name of TARGETS) {
    await writeFile(join(units, `${name}.target`), '[Unit]\nDefaultDependencies=no\n')
  }
  const unit = await readFile(join(repository, 'packaging/kvmio.service'))
  await writeFile(join(units, 'kvmio.service'), unit)
  const address = `127.0.0.1:${await freePort()}`
  const node = await realpath(join(repository, 'node_modules/.bin/node'))
  const serve = [node, join(repository, 'src/main.ts'), 'serve']
  const flags = [`--config.file=${home.configFile}`, `--web.listen-address=${address}`]
  const log = join(directory, 'kvmio.log')
  const dropIn = [
    '[Service]',
    'ExecStart=',
    `ExecStart=${[...serve, ...flags].join(' ')}`,
    `StandardOutput=append:${log}`, // there is no journald in there
    `StandardError=append:${log}`,
  ]
  await writeFile(join(units, 'kvmio.service.d/test.conf'), `${dropIn.join('\n')}\n`)

  const mounts = await readMounts('/proc')
  const root = mounts.find(({ filesystem }) => filesystem === 'cgroup2')?.mountPoint
  if (root === undefined) throw new Error('this host has no cgroup2')
  const script = join(import.meta.dirname, 'host.sh')
  const host = start(home, ['sh', script, join(root, CGROUP), directory])
  t.teardown(async () => {
    host.kill('SIGKILL') // SIGTERM is nothing to it
    await host.end()
    await removeCgroup({ version: 2, root }, CGROUP)
  })
  const pid = await until('systemd to be there', async () => {
    if (host.child.exitCode !== null) throw new Error(`it has ended:\n${host.said()}`)
    const readProc = (file: string) => readFile(`/proc/${file}`, 'utf8').catch(() => '')
    const child = (await readProc(`${host.pid}/task/${host.pid}/children`)).trim()
    return (await readProc(`${child}/comm`)) === 'systemd\n' && child
  })
  const systemctl = (...args: string[]) =>
    run('nsenter', ['-t', pid, '-m', '-p', '-C', 'systemctl', '--no-pager', ...args])
  await until('systemd to have booted', async () => {
    await sleep(200)
    const state = await systemctl('is-active', 'basic.target').catch(() => '')
    return state === 'active'
  })
  return {
    systemctl,
    show: (property: string) => systemctl('show', 'kvmio', '--value', '-p', property),
    said: () => readFile(log, 'utf8'),
    url: `http://${address}`,
  }
}
