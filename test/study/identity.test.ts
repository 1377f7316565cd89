import { test } from 'tap'
import { parseConfig } from '../../src/config/load.ts'
import { studyHash } from '../../src/study/identity.ts'

test('what makes two executions of a study the same one', async (t) => {
  const reference = hashOf({})
  t.equal(hashOf({}), reference)
  t.equal(hashOf({ disk: { target: '20ms' } }), reference, 'what is expected of a tier')
  t.equal(hashOf({ cpu: '5%' }), reference, 'what is expected of a vm')
  t.equal(hashOf({ other: { serviceTime: '20ms' } }), reference, 'a tier that no case has')
  t.not(hashOf({ disk: { serviceTime: '20ms' } }), reference, 'a tier that the guest has')
  t.not(hashOf({ slow: { serviceTime: '40ms' } }), reference, 'a tier that a factor has')
  t.not(hashOf({ memory: '192MiB' }), reference, 'the guest')
  t.not(hashOf({ write: '2MiB' }), reference, 'the study')
})

interface Varied {
  disk?: { serviceTime?: string; target?: string }
  slow?: { serviceTime?: string }
  other?: { serviceTime?: string }
  memory?: string
  write?: string
  cpu?: string
}

function hashOf({ disk, slow, other, memory = '128MiB', write = '1MiB', cpu }: Varied): string {
  const tier = ({
    serviceTime = '10ms',
    target = '50ms',
  }: {
    serviceTime?: string
    target?: string
  } = {}) => ({
    filesystem: { type: 'ext4', size: '64MiB' },
    emulate: { serviceTime },
    target: { latency: target },
  })
  const text = JSON.stringify({
    tiers: { disk: tier(disk), slow: tier(slow), other: tier(other) },
    guests: {
      student: {
        memory,
        ...(cpu && { demand: { cpu } }),
        drives: { root: { tier: 'disk', size: '32MiB' } },
      },
    },
    studies: {
      demo: {
        guest: 'student',
        workload: { 'boot-write-shutdown': { write } },
        factors: { 'drives.root.tier': ['disk', 'slow'] },
      },
    },
  })
  const { studies, guests, tiers } = parseConfig(text, '/kvmio.yaml')
  return studyHash(studies.demo!, guests.student!, tiers)
}
