import { type Finding, type Probe, tryOut } from './finding.ts'

/** The probes of a host, each tried at the most once, when it is first asked for. */
export interface Probing {
  probes: readonly Probe[]
  /** Undefined when there is no such subject. */
  find(subject: string): Promise<Finding> | undefined
}

export function createProbing(probes: readonly Probe[]): Probing {
  const bySubject = new Map(probes.map((probe) => [probe.subject, probe]))
  const findings = new Map<string, Promise<Finding>>()
  return {
    probes,
    find(subject) {
      const probe = bySubject.get(subject)
      if (!probe) return undefined
      const finding = findings.get(subject) ?? tryOut(subject, probe.remedy, () => probe.trial())
      findings.set(subject, finding)
      return finding
    },
  }
}
