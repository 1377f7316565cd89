import t from 'tap'
import { onTierProblems, placementProblem } from '../../src/config/placement.ts'
import { drive } from '../study/configs.ts'

const TIERS = {
  local: { directory: '/srv/images' },
  disk: { device: '/dev/sdb' },
  volumes: { volumeGroup: { name: 'vg0' } },
  served: { url: 'nbd://127.0.0.1/disk' },
  each: { url: 'nbd://127.0.0.1/{vm}-{drive}' },
}
const tier = (name: string) => TIERS[name as keyof typeof TIERS]

t.test('what a drive cannot be on its tier, with its key', async (t) => {
  const said = (more: Parameters<typeof drive>[0]) =>
    onTierProblems(drive(more), tier).map(({ path, message }) => `${path.join('.')}: ${message}`)
  t.strictSame(said({ tier: 'local', preallocation: 'full', backing: 2 }), [])
  t.strictSame(said({ tier: 'volumes', preallocation: 'metadata', backing: 1 }), [])
  t.strictSame(said({ tier: 'volumes', format: 'raw', preallocation: 'full' }), [
    'preallocation: preallocation full is for image files, and tier volumes holds none',
  ])
  t.strictSame(said({ tier: 'served', format: 'qcow2' }), [
    'format: expected format raw on tier served, whose url names a disk that is there, got qcow2',
  ])
  t.strictSame(said({ tier: 'disk', backing: 1 }), [
    'backing: expected none on tier disk, which is one device and has no place for it, got 1',
  ])
})

t.test('how many find a place at once', async (t) => {
  const guest = (name: string, count = 1) => ({
    drives: Object.fromEntries(
      Array.from({ length: count }, (_, index) => [
        `d${index}`,
        drive({ tier: name, format: 'raw' }),
      ]),
    ),
  })
  t.equal(placementProblem(guest('volumes', 3), 9, tier), undefined)
  t.equal(placementProblem(guest('disk'), 1, tier), undefined)
  t.equal(
    placementProblem(guest('disk'), 2, tier),
    'tier disk is a device, for one drive of one vm at a time, got 2 vms at once',
  )
  t.equal(
    placementProblem(guest('served', 2), 1, tier),
    'tier served is one target for all: its url has no {vm} and {drive}, got 2 drives of each vm',
  )
  t.equal(placementProblem(guest('each', 2), 2, tier), undefined)
  const debian = (more: Parameters<typeof drive>[0]) => ({
    system: 'debian' as const,
    drives: { root: drive({ tier: 'disk', ...more }), data: drive({ tier: 'local' }) },
  })
  t.equal(placementProblem(debian({ format: 'raw' }), 1, tier), undefined)
  t.equal(
    placementProblem(debian({ format: 'qcow2' }), 1, tier),
    "drives.root.format: expected raw on tier disk, which is one device and has no place for the system's image under a qcow2",
  )
})
