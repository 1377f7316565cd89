import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { systemProbes } from '../../src/host/system-abilities.ts'

t.test('what is built already needs no program that builds it', async (t) => {
  const { PATH } = process.env
  t.teardown(() => {
    process.env.PATH = PATH
  })
  const directory = t.testdir({ bin: {}, systems: {} })
  process.env.PATH = join(directory, 'bin')
  const systemsDir = join(directory, 'systems')
  const probes = systemProbes(systemsDir, {
    systems: ['debian'],
    seeds: [],
    workloads: ['install'],
  })
  t.strictSame(
    probes.map(({ subject }) => subject),
    ['system debian', 'workload install'],
  )
  for (const { trial } of probes) {
    const message = /^(debootstrap did not start: .* is not installed|it is built by root alone)$/
    await t.rejects(trial(), { message })
  }
  for (const name of ['debian-1f', 'packages-2e']) await mkdir(join(systemsDir, name))
  t.strictSame(await Promise.all(probes.map(({ trial }) => trial())), [
    'built already: debian-1f',
    'built already: packages-2e',
  ])
})
