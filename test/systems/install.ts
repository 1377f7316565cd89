// A whole system installed by a guest, and a boot from what it installed: ten minutes under TCG, an hour on a host with
// others at work, so it is a suite of its own (npm run test:install).
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import {
  applianceOrLack,
  homeFor,
  journal,
  kvmio,
  LOCAL,
  nothingLeft,
  packageDriveLack,
  writeConfig,
} from '../e2e/kvmio.ts'

const INSTALL_MS = 3_000_000
const BOOT_MS = 900_000
const KEPT = 'test-debian'

const skip = (await applianceOrLack()).lack || (await packageDriveLack('debian'))

t.test('debian is installed in a guest, and boots', { skip }, async (t) => {
  const machine = (more: object) => ({
    accel: 'tcg',
    deadlines: { boot: '10m', phase: '40m' },
    drives: { root: { tier: 'local', size: '2GiB', cache: 'unsafe' } },
    ...more,
  })
  const install = { packages: 'debian', keep: KEPT }
  const home = await homeFor(t, {
    tiers: { local: LOCAL },
    guests: { empty: machine({ memory: '384MiB' }) },
    studies: { install: { guest: 'empty', workload: { install } } },
  })
  const image = join(home.state, 'systems/installed', `${KEPT}.qcow2`)
  t.teardown(() => rm(image, { force: true })) // the folder is shared by all tests
  const installed = await kvmio(home, ['run', 'install', '--once']).end(INSTALL_MS)
  t.equal(installed.code, 0, installed.stderr)
  t.comment(installed.stdout)
  t.strictSame(journal(home)[0]?.vms[0]?.phases, [
    ...['boot', 'partition', 'mkfs', 'unpack', 'configure', 'bootloader', 'shutdown', 'off'],
  ])

  await writeConfig(home, {
    ...home.config,
    guests: { full: machine({ memory: '256MiB', system: { image, seed: 'none' } }) },
    studies: {
      boot: {
        guest: 'full',
        workload: { 'boot-write-shutdown': { write: '32MiB', settle: '1s' } },
      },
    },
  })
  const booted = await kvmio(home, ['run', 'boot', '--once']).end(BOOT_MS)
  t.equal(booted.code, 0, booted.stderr)
  t.comment(booted.stdout)
  t.strictSame(journal(home)[1]?.vms[0]?.phases, [
    ...['boot', 'prepare', 'write', 'settle', 'shutdown', 'off'],
  ])
  await nothingLeft(t, home)
})
