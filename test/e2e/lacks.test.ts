// A host that cannot have all that a study varies: what it cannot is skipped, with the reason, and no failure.
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { applianceOrLack, guestOn, homeFor, journal, kvmio, LOCAL, nothingLeft } from './kvmio.ts'

const { lack } = await applianceOrLack()

/** The real qemu, built without pvscsi. */
const WRAPPER = `#!/bin/sh
if [ "$*" = '-device help' ]; then
  qemu-system-x86_64 -device help | grep -v pvscsi
  exit
fi
exec qemu-system-x86_64 "$@"
`

const CONFIG = {
  qemu: { binary: './qemu' },
  tiers: { local: LOCAL },
  guests: { small: guestOn('local') },
  studies: {
    buses: {
      guest: 'small',
      blocks: 1,
      workload: { idle: { time: '1s' } },
      factors: { 'drives.root.bus': ['pvscsi', 'virtio-blk'] },
    },
    none: {
      guest: 'small',
      blocks: 1,
      workload: { idle: { time: '1s' } },
      factors: { 'drives.root.bus': ['pvscsi'] },
    },
  },
}

const REASON = 'drives.root.bus pvscsi: this qemu has no device pvscsi; apt install qemu-system-x86'

t.test('a study of which this host can have a part', { skip: lack }, async (t) => {
  const home = await homeFor(t, CONFIG)
  await writeFile(join(home.directory, 'qemu'), WRAPPER)
  await chmod(join(home.directory, 'qemu'), 0o755)

  const plan = await kvmio(home, ['plan', 'buses']).end()
  t.equal(
    plan.stdout.replace(/\(of .*?\)/, '(of SIZE)'),
    `study buses: 2 cases of guest small, 1 vm at once, idle
case: drives.root.bus  a run
pvscsi                 skipped
virtio-blk             14 s
skipped pvscsi: ${REASON}
blocks: 1; by tps
time: 24 s a block, 24 s in all, by rule, since none has run here
space at the most: 64 MiB on local (of SIZE)

rule: boot 5 s (appliance) or 30 s, writes at 60 MiB/s or as the tier emulates, an installation 1 to 9 min
`,
  )
  t.equal(plan.code, 0)

  const run = await kvmio(home, ['run', 'buses']).end(120_000)
  t.equal(run.code, 0, run.stderr)
  t.match(run.stdout, `skipped pvscsi: ${REASON}\n`)
  t.match(run.stdout, /virtio-blk .*passed/)
  t.strictSame(
    journal(home).map((row) => [row.case, row.outcome]),
    [['virtio-blk', 'passed']],
    'neither passed nor failed stands in the journal',
  )

  const none = await kvmio(home, ['run', 'none']).end()
  t.equal(none.code, 1, 'nothing was measured')
  t.match(none.stderr, `study none: none of its cases can run on this host:\n  pvscsi: ${REASON}\n`)
  await nothingLeft(t, home)
})
