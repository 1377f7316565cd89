import t from 'tap'
import { imageSpaceBytes } from '../../src/storage/image-space.ts'
import type { OpenTier } from '../../src/storage/tiers.ts'
import type { CasePlan } from '../../src/study/plan.ts'
import { spaceNeeded, spaceProblem } from '../../src/study/space.ts'

const GIB = 2 ** 30

/** A case whose guest has these drives: tier, format, size. */
function point(
  vms: number,
  skip: string | undefined,
  ...drives: [string, 'raw' | 'qcow2', number][]
): CasePlan {
  const entries = drives.map(([tier, format, size], index) => [
    `d${index}`,
    { tier, format, size, backing: 0 },
  ])
  return {
    name: 'x',
    factors: {},
    study: { vms },
    guest: { drives: Object.fromEntries(entries) },
    skip,
  } as never
}

const CASES = [
  point(2, undefined, ['a', 'raw', GIB], ['a', 'raw', GIB], ['b', 'qcow2', GIB]),
  point(2, undefined, ['a', 'raw', 3 * GIB]),
  point(2, 'qemu would refuse it', ['a', 'raw', 9 * GIB]),
]

t.test('the case that takes most, of those that run', async (t) => {
  t.strictSame(
    [...spaceNeeded(CASES)],
    [
      ['a', 6 * GIB],
      ['b', 2 * imageSpaceBytes({ format: 'qcow2', sizeBytes: GIB })],
    ],
  )
})

t.test('what vms share is counted once', async (t) => {
  const [shared] = [point(3, undefined, ['a', 'qcow2', GIB])]
  shared!.guest.drives.d0!.backing = 2
  const own = imageSpaceBytes({ format: 'qcow2', sizeBytes: GIB })
  t.equal(spaceNeeded([shared!]).get('a'), 3 * own + GIB + 2 ** 20)
})

t.test('a tier that cannot hold it is named, with both figures', async (t) => {
  const here = { tier: { directory: import.meta.dirname } } as OpenTier
  t.equal(await spaceProblem([point(1, undefined, ['a', 'raw', 1])], () => here), undefined)
  t.match(
    await spaceProblem([point(2, undefined, ['a', 'raw', 2 ** 60])], () => here),
    /^its images can come to take 2097152 TiB on tier a, which has [\d.]+ [MGT]iB$/,
  )
  const gone = { tier: { directory: '/x', unavailable: 'no disk' } } as OpenTier
  const all = [point(1, undefined, ['a', 'raw', 2 ** 60])]
  t.equal(await spaceProblem(all, () => gone), undefined, 'an unavailable tier says so itself')
})
