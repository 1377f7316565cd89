import { access, constants } from 'node:fs/promises'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { NETWORK_DRIVERS } from '../config/network-url.ts'
import {
  AIOS,
  BUSES,
  CACHES,
  DETECT_ZEROES,
  DISCARDS,
  FORMATS,
  PREALLOCATIONS,
  SEEDS,
  WORKLOADS,
} from '../config/schema.ts'
import { FILESYSTEMS } from '../config/tier-schema.ts'
import type { KvmVerdict } from '../host/accelerator.ts'
import type { Probe } from '../host/finding.ts'
import { imageProbes } from '../host/image-abilities.ts'
import { kernelProbes } from '../host/kernel.ts'
import { passthroughProbe } from '../host/passthrough.ts'
import { createProbing, type Probing } from '../host/probing.ts'
import { programProbes } from '../host/programs.ts'
import { qemuProbes } from '../host/qemu-abilities.ts'
import { systemProbes } from '../host/system-abilities.ts'
import { tierProbes } from '../host/tier-abilities.ts'
import { KvmioError } from '../lib/errors.ts'
import { coldProblem } from '../storage/host-cache.ts'

/** The user's own systems go by what they are made of. */
const SYSTEMS = ['appliance', 'debian', 'kernel', 'image']

export interface HostToProbe {
  stateDir: string
  /** qemu's. */
  binary: string
  procRoot: string
  sysRoot: string
  /** Whether guests boot under KVM; absent when that was never tried, and is not to be. */
  kvm?: () => Promise<KvmVerdict>
}

/** All that can be asked of a host, tried when it is asked. */
export async function createHostProbing(host: HostToProbe): Promise<Probing> {
  const { stateDir, binary, procRoot, sysRoot } = host
  const directory = await writable(stateDir)
  const roots = { procRoot, devRoot: '/dev', release: release() }
  const probing: Probing = createProbing([
    ...qemuProbes(binary, { buses: BUSES, protocols: NETWORK_DRIVERS }),
    ...(host.kvm ? [kvmProbe(host.kvm)] : []),
    ...kernelProbes(roots, FILESYSTEMS),
    passthroughProbe(sysRoot, '/dev'),
    coldProbe(procRoot),
    ...imageProbes(directory, {
      formats: FORMATS,
      preallocations: PREALLOCATIONS,
      caches: CACHES,
      aios: AIOS,
      discards: DISCARDS,
      detectZeroes: DETECT_ZEROES,
    }),
    ...tierProbes(() => probing),
    ...systemProbes(join(stateDir, 'systems'), {
      systems: SYSTEMS,
      seeds: SEEDS,
      workloads: WORKLOADS,
    }),
    ...programProbes(),
  ])
  return probing
}

function kvmProbe(kvm: () => Promise<KvmVerdict>): Probe {
  return {
    group: 'accel',
    subject: 'accel kvm',
    remedy: 'accel auto or tcg, with which guests run under TCG, slower',
    async trial() {
      const { boots, reason } = await kvm()
      if (!boots) throw new KvmioError(reason)
      return reason
    },
  }
}

function coldProbe(procRoot: string): Probe {
  return {
    group: 'hostCache',
    subject: 'hostCache cold',
    remedy: '',
    async trial() {
      const problem = await coldProblem(procRoot)
      if (problem !== undefined) throw new KvmioError(problem.replace(/^hostCache cold /, ''))
      return 'the page cache of this host can be emptied'
    },
  }
}

/** The state directory is on a disk as a rule; a host without one has only the folder for temporary files. */
async function writable(stateDir: string): Promise<string> {
  try {
    await access(stateDir, constants.W_OK)
    return stateDir
  } catch {
    return tmpdir()
  }
}
