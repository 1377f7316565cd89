import { cgroup } from './cgroup.ts'
import { client } from './client.ts'
import type { Collector } from './collector.ts'
import { density } from './density.ts'
import { createDiskstatsCollector } from './diskstats.ts'
import { guest } from './guest.ts'
import { host } from './host.ts'
import { image } from './image.ts'
import { iostat } from './iostat.ts'
import { memory } from './memory.ts'
import { process } from './process.ts'
import { qmp } from './qmp.ts'
import { sampler } from './sampler.ts'
import { createStudyCollector } from './study.ts'
import { tier } from './tier.ts'
import { vm } from './vm.ts'

/** The names of all collectors: each can be switched off by `--no-collector.NAME`, and chosen by `?collect[]=NAME`. */
export const COLLECTOR_NAMES = [
  'guest',
  'qmp',
  'image',
  'process',
  'memory',
  'cgroup',
  'diskstats',
  'sampler',
  'iostat',
  'vm',
  'tier',
  'client',
  'host',
  'density',
  'study',
] as const

export function createCollectors(): Collector[] {
  return [
    guest,
    qmp,
    image,
    process,
    memory,
    cgroup,
    createDiskstatsCollector(),
    sampler,
    iostat,
    vm,
    tier,
    client,
    host,
    density,
    createStudyCollector(),
  ]
}
