import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConfig } from '../config/load.ts'
import type { KvmVerdict } from '../host/accelerator.ts'
import type { Finding } from '../host/finding.ts'
import { Journal } from '../journal/journal.ts'
import { lockState } from '../journal/lock.ts'
import { messageOf } from '../lib/errors.ts'
import { createLog } from '../lib/log.ts'
import { createHostParts } from './host-parts.ts'
import { createHostProbing } from './host-probes.ts'
import type { CommonOptions } from './options.ts'

export interface DoctorOptions extends CommonOptions {
  /** As JSON, for programs. */
  json: boolean
}

interface Listed extends Finding {
  group: string
  only?: string
}

const PROC = '/proc'
/** In this order, whatever the order of the probes; what is not named comes last. */
const GROUPS = [
  ...[
    'qemu',
    'accel',
    'host',
    'tier',
    'filesystem',
    'url',
    'system',
    'seed',
    'workload',
    'hostCache',
    'bus',
    'format',
  ],
  ...['preallocation', 'qcow2', 'cache', 'aio', 'discard', 'detectZeroes', 'drive', 'memory'],
]
/** Groups whose subjects say on their own what they are. */
const PLAIN = ['qemu', 'host', 'qcow2', 'drive', 'memory', 'programs']

/** Lists for every value of every factor whether this host can have it, how that was found and what would help. */
export async function doctor(options: DoctorOptions): Promise<void> {
  const { state, qemu } = await loadConfig(options.configFile)
  const kvm = () => kvmVerdict(options, state, qemu.binary)
  const probing = await createHostProbing({
    stateDir: state,
    binary: qemu.binary,
    procRoot: PROC,
    sysRoot: '/sys',
    kvm,
  })
  const listed = await Promise.all(
    probing.probes.map(async ({ group, subject, only }): Promise<Listed> => {
      const finding = (await probing.find(subject))!
      return { group, ...finding, ...(only === undefined ? {} : { only }) }
    }),
  )
  process.stdout.write(options.json ? `${JSON.stringify(listed, null, 2)}\n` : text(listed))
}

/** A heading a group, a line a finding, its remedy below it. */
export function text(listed: readonly Listed[]): string {
  const groups = Map.groupBy(listed, ({ group }) => group)
  const order = [...new Set([...GROUPS, ...groups.keys()])]
  const width = Math.max(...listed.map((finding) => nameOf(finding).length))
  return order
    .flatMap((group) => {
      const findings = groups.get(group)
      return findings ? [[group, ...findings.map((finding) => line(finding, width))]] : []
    })
    .map((lines) => `${lines.join('\n')}\n`)
    .join('\n')
}

function line(finding: Listed, width: number): string {
  const { can, detail, remedy } = finding
  const advice = can || !remedy ? '' : `\n${' '.repeat(width + 8)}${remedy}`
  return `  ${can ? 'yes' : 'no '}  ${nameOf(finding).padEnd(width)} ${detail}${advice}`
}

function nameOf({ group, subject }: Listed): string {
  return PLAIN.includes(group) ? subject : subject.slice(group.length + 1)
}

/** From the journal, or else by booting a guest, for which the state directory must be free. */
async function kvmVerdict(
  options: CommonOptions,
  stateDir: string,
  binary: string,
): Promise<KvmVerdict> {
  await mkdir(stateDir, { recursive: true, mode: 0o711 })
  const journal = new Journal(join(stateDir, 'journal.sqlite'))
  try {
    const log = createLog(options.log)
    const context = { procRoot: PROC, binary, log, now: () => Date.now() / 1000 }
    const parts = createHostParts(stateDir, journal, context)
    const known = await parts.knownKvm()
    if (known) return known
    using _lock = lockState(stateDir)
    return await parts.kvm()
  } catch (error) {
    // Without qemu, or with a kvmio that runs: the other findings are worth having all the same.
    return { boots: false, reason: messageOf(error).split('\n')[0] ?? '' }
  } finally {
    journal.close()
  }
}
