import type { Tier } from '../attribution/records.ts'
import * as m from '../metrics/catalog.ts'
import { type Sample, sample } from '../metrics/family.ts'
import type { ClientIo } from '../source/client-io.ts'
import { readLlite } from '../source/llite.ts'
import { readMountstats } from '../source/mountstats.ts'
import { type Collector, collectEach, type Scrape, sourceTimeoutMs } from './collector.ts'

/** What the clients of network filesystems did: they have no block device, and stand in for that layer. */
export const client: Collector = {
  name: 'client',

  async collect(scrape) {
    const tiers = scrape.tiers.filter(({ mount }) => mount !== undefined)
    const isNfs = ({ filesystem }: Tier) => /^nfs4?$/.test(filesystem ?? '')
    const nfs = tiers.some(isNfs) ? await nfsIo(scrape) : undefined
    return await collectEach('client', tiers, scrape, async (tier) => {
      const io = isNfs(tier) ? nfs?.get(tier.mount!.point) : await lustreIo(tier, scrape)
      return io ? samplesOf(tier.name, io) : []
    })
  },
}

async function lustreIo(
  { filesystem, mount }: Tier,
  scrape: Scrape,
): Promise<ClientIo | undefined> {
  const { source } = mount!
  if (filesystem !== 'lustre') return undefined
  return await scrape.guard.run(`llite of ${source}`, sourceTimeoutMs(scrape), () =>
    readLlite(source, scrape),
  )
}

function nfsIo(scrape: Scrape): Promise<Map<string, ClientIo>> {
  const { procRoot, guard } = scrape
  const file = `${procRoot}/self/mountstats`
  return guard.run(file, sourceTimeoutMs(scrape), () => readMountstats(procRoot))
}

function samplesOf(tier: string, io: ClientIo): Sample[] {
  return Object.entries(io).map(([key, value]) =>
    sample(m.tierClient[key as keyof ClientIo], { tier }, value),
  )
}
