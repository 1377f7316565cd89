import type { KnownVm, Vm, VmIdentity } from '../attribution/records.ts'
import type { Outcome } from '../journal/runs.ts'
import type { RunningVm } from './running-vm.ts'

/** All vms that this kvmio knows of: the running ones, and those of studies that go on. */
export class VmRegistry {
  readonly #running = new Map<string, RunningVm>()
  readonly #known = new Map<string, { identity: VmIdentity; outcome?: Outcome }>()

  add(vm: RunningVm): void {
    const { name } = vm.plan
    this.#running.set(name, vm)
    this.#known.set(name, { identity: vm.identity, outcome: this.#known.get(name)?.outcome })
  }

  /** Of one that never ran too: that it could not be had is how it went. */
  ended(identity: VmIdentity, outcome: Outcome): void {
    this.#running.delete(identity.name)
    this.#known.set(identity.name, { identity, outcome })
  }

  /** The study has ended: nothing of its vms stays. */
  forget(study: string): void {
    for (const [name, { identity }] of this.#known) {
      if (identity.study === study && !this.#running.has(name)) this.#known.delete(name)
    }
  }

  running(): RunningVm[] {
    return [...this.#running.values()]
  }

  records(): Vm[] {
    return this.running().map(({ record }) => record)
  }

  known(): KnownVm[] {
    return [...this.#known].map(([name, { identity, outcome }]) => {
      const running = this.#running.get(name)
      return { ...identity, running: running !== undefined, phase: running?.phase, outcome }
    })
  }
}
