import { dirname, join } from 'node:path'
import type { GuestConfig } from '../config/schema.ts'
import type { PackageSet } from '../config/workload-schema.ts'
import type { VmContext } from '../guest/running-vm.ts'
import { type Appliance, buildAppliance } from '../guest/systems/appliance.ts'
import { applianceAppend } from '../guest/systems/appliance-append.ts'
import { buildDebian, type DebianSystem } from '../guest/systems/debian.ts'
import { buildPackageDrive } from '../guest/systems/package-drive.ts'
import { markUsed } from '../guest/systems/retention.ts'
import { type KvmVerdict, kvmFingerprint, tryKvm } from '../host/accelerator.ts'
import { readQemuVersion } from '../host/qemu.ts'
import type { Journal } from '../journal/journal.ts'
import { hostVerdict, setHostVerdict } from '../journal/verdicts.ts'
import { KvmioError } from '../lib/errors.ts'

// Under KVM the appliance is at its first phase in about a second; a host where it takes longer is no KVM host.
const KVM_TRIAL_SECONDS = 15

export interface HostParts {
  /** The built-in system; built once. */
  appliance(): Promise<Appliance>
  /** The image that the built-in installer installs these from; built once. */
  packageDrive(packages: PackageSet): Promise<string>
  /** The built-in disk image; built once. */
  debian(): Promise<DebianSystem>
  /** What was found of KVM earlier, if this host has not changed since. */
  knownKvm(): Promise<KvmVerdict | undefined>
  /** Whether guests boot under KVM here; tried once for this host, kernel and qemu. */
  kvm(): Promise<KvmVerdict>
  /** What a guest's `accel` comes out as. */
  accelerator(guest: Pick<GuestConfig, 'accel'>): Promise<'kvm' | 'tcg'>
}

/** What is dear to find out about this host, found out when it is first asked for and then kept. */
export function createHostParts(
  stateDir: string,
  journal: Journal,
  vm: VmContext,
  runAs?: number,
): HostParts {
  const cacheDir = join(stateDir, 'systems')
  const use = async <T>(built: T, file: string): Promise<T> => {
    await markUsed(dirname(file))
    return built
  }
  const appliance = once(async () => {
    const built = await buildAppliance({ cacheDir, log: vm.log })
    return await use(built, built.kernel)
  })
  const debian = once(async () => {
    const built = await buildDebian({ cacheDir, log: vm.log })
    return await use(built, built.image)
  })

  const fingerprint = once(async () =>
    kvmFingerprint(vm.procRoot, await readQemuVersion(vm.binary)),
  )
  const knownKvm = async () => hostVerdict<KvmVerdict>(journal, 'kvm', await fingerprint())

  const kvm = once(async (): Promise<KvmVerdict> => {
    const known = await knownKvm()
    if (known) return known
    vm.log.info(`trying whether a guest boots under KVM here: up to ${KVM_TRIAL_SECONDS} s, once`)
    const { kernel, initrd } = await appliance()
    const boot = {
      kernel,
      initrd,
      append: applianceAppend({ kind: 'idle', time: KVM_TRIAL_SECONDS }, []),
    }
    const directory = join(stateDir, 'kvm-trial')
    const verdict = await tryKvm({ boot, directory, runAs, limitSeconds: KVM_TRIAL_SECONDS }, vm)
    setHostVerdict(journal, 'kvm', await fingerprint(), verdict)
    return verdict
  })

  const announced = once(async () => {
    const { boots, reason } = await kvm()
    if (boots) vm.log.info(`guests run under KVM: ${reason}`)
    else
      vm.log.warn(
        `guests run under TCG, qemu's emulation, and not under KVM: ${reason}. Compare no times with those of KVM hosts`,
      )
  })

  return {
    appliance,
    packageDrive: async (packages) => {
      const image = await buildPackageDrive({ cacheDir, packages, log: vm.log })
      return await use(image, image)
    },
    debian,
    knownKvm,
    kvm,
    async accelerator({ accel }) {
      if (accel === 'tcg') return 'tcg'
      const { boots, reason } = await kvm()
      if (accel === 'kvm' && !boots)
        throw new KvmioError(`accel: kvm cannot be had here: ${reason}`)
      await announced()
      return boots ? 'kvm' : 'tcg'
    },
  }
}

/** Does the work at the first call and gives its result to all; a failure is tried again by the next. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined
  return () => {
    result ??= work().catch((error) => {
      result = undefined
      throw error
    })
    return result
  }
}
