import { access, constants, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { buildAppliance } from '../../src/guest/systems/appliance.ts'
import { applianceAppend } from '../../src/guest/systems/appliance-append.ts'
import { tryKvm } from '../../src/host/accelerator.ts'
import { messageOf } from '../../src/lib/errors.ts'
import { silentLog } from '../../src/lib/log.ts'
import { missingPrograms } from '../../src/storage/programs.ts'

const BINARY = 'qemu-system-x86_64'
const SECONDS = 6
const context = { procRoot: '/proc', binary: BINARY, log: silentLog, now: () => Date.now() / 1000 }

t.test('a guest is booted to find out', { skip: await cannotTry() }, async (t) => {
  const cacheDir = join(import.meta.dirname, '../../.kvmio/systems')
  const built = await buildAppliance({ cacheDir, log: silentLog }).catch((error) => error as Error)
  if (built instanceof Error) return t.plan(0, `no appliance: ${messageOf(built)}`)
  const parent = await mkdtemp(join(tmpdir(), 'kvmio-kvm-'))
  t.teardown(() => rm(parent, { recursive: true, force: true }))
  const { kernel, initrd } = built
  const append = applianceAppend({ kind: 'idle', time: SECONDS }, [])
  const trial = { boot: { kernel, initrd, append }, limitSeconds: SECONDS }
  const start = performance.now()
  const verdict = await tryKvm({ ...trial, directory: join(parent, 'vm') }, context)
  if (verdict.boots) return t.plan(0, `guests boot under KVM here: ${verdict.reason}`)
  // Where KVM does not work the guest hangs, or qemu gives up on a register that it may not set.
  t.match(verdict, {
    boots: false,
    reason: new RegExp(
      `^/dev/kvm opens, but (a guest did not boot on it in ${SECONDS} s|vm kvm-trial: qemu (was killed by|exited with) .+)$`,
    ),
  })
  t.ok(performance.now() - start < 1000 * SECONDS + 8000)
  t.strictSame(await readdir(parent), [], 'nothing is left of it')
})

/** Why there is nothing to try here. */
async function cannotTry(): Promise<string | false> {
  const openable = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  )
  if (!openable) return 'there is no /dev/kvm that may be opened'
  return (await missingPrograms([BINARY])) ?? false
}
