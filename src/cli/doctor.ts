import { access, mkdir } from 'node:fs/promises'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../config/load.ts'
import { AIOS, FORMATS } from '../config/schema.ts'
import { FILESYSTEMS } from '../config/tier-schema.ts'
import { type Finding, tryOut } from '../host/finding.ts'
import { examineKernel } from '../host/kernel.ts'
import { examinePrograms } from '../host/programs.ts'
import { examineQemu } from '../host/qemu-abilities.ts'
import { Journal } from '../journal/journal.ts'
import { lockState } from '../journal/lock.ts'
import { KvmioError } from '../lib/errors.ts'
import { createLog } from '../lib/log.ts'
import { coldProblem } from '../storage/host-cache.ts'
import { createHostParts } from './host-parts.ts'
import type { CommonOptions } from './options.ts'

const PROC = '/proc'

/** Lists what this host can and cannot do, each with how that was found and what would help. */
export async function doctor(options: CommonOptions): Promise<void> {
  const { state, qemu } = await loadConfig(options.configFile)
  const findings = [
    ...(await examineQemu(qemu.binary, tmpdir(), FORMATS, AIOS)),
    ...(await examineKvm(options, state, qemu.binary)),
    ...(await examineKernel({ procRoot: PROC, devRoot: '/dev', release: release() }, FILESYSTEMS)),
    await examineHostCache(),
    ...(await examinePrograms()),
  ]
  const width = Math.max(...findings.map(({ subject }) => subject.length))
  for (const finding of findings) process.stdout.write(`${line(finding, width)}\n`)
}

function line({ subject, can, detail, remedy }: Finding, width: number): string {
  const advice = can || remedy === undefined ? '' : `\n${' '.repeat(width + 6)}${remedy}`
  return `${can ? 'yes' : 'no '}  ${subject.padEnd(width)} ${detail}${advice}`
}

function examineHostCache(): Promise<Finding> {
  const remedy = 'run kvmio as root, and not in a container; hostCache warm works everywhere'
  return tryOut('hostCache cold', remedy, async () => {
    const problem = await coldProblem(PROC)
    if (problem !== undefined) throw new KvmioError(problem)
    return "the host's page cache can be emptied"
  })
}

async function examineKvm(
  options: CommonOptions,
  stateDir: string,
  binary: string,
): Promise<Finding[]> {
  const opens = await tryOut(
    'kvm opens',
    'modprobe kvm_intel or kvm_amd, and a right to open /dev/kvm',
    async () => {
      await access('/dev/kvm')
      return '/dev/kvm opens'
    },
  )
  const boots = await tryOut(
    'kvm boots',
    'none is needed: guests run under TCG, slower',
    async () => {
      const { boots, reason } = await kvmVerdict(options, stateDir, binary)
      if (!boots) throw new KvmioError(reason)
      return reason
    },
  )
  return [opens, boots]
}

/** From the journal, or else by booting a guest, for which the state directory must be free. */
async function kvmVerdict(options: CommonOptions, stateDir: string, binary: string) {
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
  } finally {
    journal.close()
  }
}
