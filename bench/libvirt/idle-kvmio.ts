// node idle-kvmio.ts CONFIG ADDRESS COUNT: a kvmio with so many guests of its own, each paused. Everything is the
// product's own but the study: the engine with its sampler and its readers, qemus with the arguments that it builds,
// armed histograms, the QMP sockets, the page and the web. A study would boot them, which 300 at once cannot here.
import { join } from 'node:path'
import { cgroupOf } from '../../src/cli/cgroups.ts'
import { Engine } from '../../src/cli/engine.ts'
import { listenWeb } from '../../src/cli/listen.ts'
import type { ServeOptions } from '../../src/cli/options.ts'
import { COLLECTOR_NAMES } from '../../src/collector/all.ts'
import { loadConfig } from '../../src/config/load.ts'
import { ConfigHolder } from '../../src/config/watch.ts'
import { launchVm } from '../../src/guest/launch.ts'
import type { VmPlan } from '../../src/guest/plan.ts'
import type { RunningVm } from '../../src/guest/running-vm.ts'
import { silentLog } from '../../src/lib/log.ts'
import { createImage } from '../../src/storage/image.ts'
import { OWN_PREFIX } from './names.ts'

const AT_ONCE = 4
const FOREVER = 1e6 // seconds

const [configFile = '', listenAddress = '', count = '1'] = process.argv.slice(2)
const stopped = new AbortController()
// Not once: execa's own handler ends a process that has no other one left.
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => stopped.abort())

const config = await loadConfig(configFile)
const options: ServeOptions = {
  ...{ configFile, listenAddress, telemetryPath: '/metrics', maxRequests: 40 },
  log: { level: 'error', format: 'text' },
  collectors: new Set(COLLECTOR_NAMES),
  deviceExclude: /^(z?ram|loop|fd)\d+$/,
  ...{ procRoot: '/proc', sysRoot: '/sys' },
}
const holder = new ConfigHolder(config, { log: silentLog })
const engine = await Engine.open(options, holder, silentLog, stopped.signal)
const vms: RunningVm[] = []
try {
  await engine.start()
  using _study = engine.holdStudy('idle')
  await launchAll(Number(count))
  const web = await listenWeb(engine, () => undefined)
  await new Promise((resolve) => stopped.signal.addEventListener('abort', resolve))
  await web.close()
} finally {
  await Promise.all(vms.map((vm) => vm.stop('the benchmark is over')))
  await engine.close()
}

async function launchAll(count: number): Promise<void> {
  const slots = Array.from({ length: count }, (_, index) => index + 1)
  const launcher = async () => {
    for (let slot = slots.shift(); slot && !stopped.signal.aborted; slot = slots.shift()) {
      const vm = await launchPaused(slot)
      vms.push(vm)
      engine.registry.add(vm)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, launcher))
}

async function launchPaused(slot: number): Promise<RunningVm> {
  const plan = planOf(slot)
  const [drive] = plan.drives
  const room = { allocate: async () => {}, release: async () => {} }
  await createImage(room, { ...drive!, backing: [] })
  const context = {
    ...{ procRoot: '/proc', binary: config.qemu.binary, hierarchy: engine.hierarchy },
    ...{ log: silentLog, now: () => Date.now() / 1000 },
  }
  const listener = { started() {}, booted() {}, result() {}, phases() {}, ended: async () => {} }
  const vm = await launchVm(plan, context, listener)
  await vm.record.qmp?.command('stop')
  return vm
}

function planOf(slot: number): VmPlan {
  const name = `${OWN_PREFIX}${slot}`
  const path = join(config.state, 'local', `${name}.raw`)
  return {
    ...{ name, study: 'idle', case: 'only', slot, guest: 'idle' },
    ...{ system: 'own', workload: 'idle', accelerator: 'tcg', memoryBytes: 32 * 2 ** 20, vcpus: 1 },
    directory: join(config.state, 'vms', name),
    boot: { drive: 'root' },
    drives: [
      {
        ...{ name: 'root', tier: 'local', bus: 'virtio-blk', format: 'raw', preallocation: 'off' },
        ...{ lazyRefcounts: false, extendedL2: false, backing: [], cache: 'none', aio: 'threads' },
        ...{ discard: 'ignore', detectZeroes: 'off', iothread: false, sizeBytes: 64 * 2 ** 20 },
        backend: { kind: 'file', path },
      },
    ],
    ...(engine.hierarchy && { cgroup: `${cgroupOf(config.state)}/${name}` }),
    deadlines: { start: 60, boot: FOREVER, phase: FOREVER },
    mayBeSilent: true,
  }
}
