// The page of a host, rendered whole as `serve` does it: what differs between two machines or two moments is made the same.
import { join } from 'node:path'
import type { Test } from 'tap'
import type { KnownVm, Tier, Vm } from '../../src/attribution/records.ts'
import type { Engine } from '../../src/cli/engine.ts'
import { createPage } from '../../src/cli/page.ts'
import { COLLECTOR_NAMES } from '../../src/collector/all.ts'
import { parseConfig } from '../../src/config/load.ts'
import { HangGuard } from '../../src/lib/hang-guard.ts'
import { createLog } from '../../src/lib/log.ts'
import { samplerErrors } from '../../src/metrics/catalog.ts'
import { createOwnMetrics } from '../../src/metrics/render.ts'
import { Sampler } from '../../src/sampler/sampler.ts'
import type { IoHierarchy } from '../../src/source/cgroup.ts'
import type { IostatReader } from '../../src/source/iostat.ts'
import { emptyJournal } from './host.ts'

export interface PageHost {
  /** Holds proc, sys and cgroup. */
  root: string
  hierarchy?: IoHierarchy
  vms: readonly Vm[]
  knownVms?: readonly KnownVm[]
  tiers: readonly Tier[]
  iostat?: IostatReader
  showsDevice?: RegExp
  /** With a web config; a part of a WebConfigHolder. */
  webHolder?: unknown
}

/** The page, and what was told of it in the log. */
export async function renderPage(
  t: Test,
  host: PageHost,
): Promise<{ page: string; said: string[] }> {
  const { root, hierarchy, vms, tiers, iostat } = host
  const procRoot = join(root, 'proc')
  const own = createOwnMetrics()
  const clock = { now: 0 }
  const sampler = new Sampler({
    ...{ procRoot, hierarchy, vms: () => vms, tiers: () => tiers },
    onError: (source) => own.inc(samplerErrors, { source }),
    now: () => clock.now,
  })
  for (clock.now of [1000, 2000]) await sampler.tick()
  const lines: string[] = []
  const destination = { write: (line: string) => void lines.push(line) }
  const known = host.knownVms ?? vms.map((vm) => ({ ...vm, running: true }))
  const engine = {
    options: {
      ...{ procRoot, sysRoot: join(root, 'sys'), collectors: new Set(COLLECTOR_NAMES) },
      deviceInclude: host.showsDevice,
    },
    own,
    log: createLog({ level: 'debug', format: 'json', destination }),
    vms: () => vms,
    knownVms: () => known,
    tiers: () => tiers,
    activeStudies: () => [],
    holder: {
      current: parseConfig('tiers: {}', '/kvmio.yaml'),
      ...{ lastReloadSuccessful: true, lastReloadTime: 1795409700 },
    },
    webHolder: host.webHolder,
    guard: new HangGuard(),
    ...{ memory: unread, descriptors: unread, images: unread },
    ...{ sampler, journal: await emptyJournal(t), hierarchy, iostat },
  } as unknown as Engine
  const page = await createPage(engine)({ collect: [], exclude: [], timeoutMs: 2_000 })
  const said = lines.map((line) => {
    const { collector, err, msg } = JSON.parse(line)
    const text = `${collector}: ${err?.message ?? msg}`.replaceAll(root, '')
    return text.replace(/(?<=\/proc\/\d+\/)\w+'$/, "FILE'") // whichever of several was told first
  })
  return { page: steady(page.toString()), said: said.toSorted() }
}

/** Readers that have not had their turn. */
const unread = { of: () => undefined }

/** Without the figures of this process, and with the same duration, version and machine everywhere. */
function steady(page: string): string {
  const blocks = page.split(/\n(?=# HELP )/).filter((block) => /^# HELP kvmio_/.test(block))
  return `${blocks.map((block) => block.trimEnd()).join('\n')}\n`
    .replaceAll(/^(kvmio_scrape_collector_duration_seconds\{.*\}) .*$/gm, '$1 0')
    .replaceAll(
      /^(kvmio_build_info)\{.*\} 1$/gm,
      '$1{version="0",nodeversion="v0",platform="linux",arch="x64"} 1',
    )
}
