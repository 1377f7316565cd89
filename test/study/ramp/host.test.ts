import fc from 'fast-check'
import t from 'tap'
import { isShort, leastRoom, memoryRoom, mostFitting } from '../../../src/study/ramp/host.ts'

const MIB = 2 ** 20
const limits = { cpuCap: 0.8, memoryReserve: 1024 * MIB }
const host = { totalBytes: 8192 * MIB, availableBytes: 3072 * MIB }

t.test("the host's memory", async (t) => {
  const room = (guest: number, measured?: number, memory = host) =>
    memoryRoom(memory, guest * MIB, measured && measured * MIB, limits).vms
  t.equal(room(128), 8, 'a guest and its qemu, as long as nothing was measured')
  t.equal(room(128, 100), 16, 'it may yet touch all of its own')
  t.equal(room(128, 512), 4)
  t.equal(room(4096), 0)
  t.equal(room(128, 100, { ...host, availableBytes: 512 * MIB }), 0, 'never fewer than none')
  const silent = memoryRoom({ totalBytes: 8192 * MIB }, 128 * MIB, undefined, limits)
  t.equal(silent.vms, Number.POSITIVE_INFINITY, 'a kernel that does not tell')
})

t.test('vms end when half of the reserve is gone', async (t) => {
  t.equal(isShort(host, limits), false)
  t.equal(isShort({ ...host, availableBytes: 512 * MIB }, limits), false)
  t.equal(isShort({ ...host, availableBytes: 511 * MIB }, limits), true)
  t.equal(isShort({ totalBytes: 1 }, limits), false)
})

t.test('the least room binds, the first where two are the same', async (t) => {
  const [max, memory] = [{ vms: 8, bound: 'max' } as const, { vms: 8, bound: 'memory' } as const]
  t.equal(leastRoom([max, memory]).bound, 'max')
  t.equal(leastRoom([max, { ...memory, vms: 7 }]).bound, 'memory')
})

t.test('as many as there is space for', async () => {
  const counts = fc.tuple(fc.nat(500), fc.nat(500))
  await fc.assert(
    fc.asyncProperty(counts, async ([most, space]) => {
      const found = await mostFitting(most, async (vms) => vms <= space)
      return found === Math.min(most, space)
    }),
  )
})
