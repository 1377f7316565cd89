import type { Family } from '../../src/metrics/family.ts'

// Metrics that dashboards use and the catalog does not have: Prometheus' own of each target, and what prom-client says of the
// process of kvmio.

const gauge = <L extends string>(name: string, labels: readonly L[] = []): Family<L> => ({
  name,
  type: 'gauge',
  help: '',
  labels,
})

export const prometheus = {
  up: gauge('up'),
  scrapeSeconds: gauge('scrape_duration_seconds'),
  samples: gauge('scrape_samples_scraped'),
  seriesAdded: gauge('scrape_series_added'),
  /** 1 for each alert that is pending or fires; made by the rules. */
  alerts: gauge('ALERTS', ['alertname', 'alertstate', 'severity', 'tier', 'vm', 'device', 'study']),
}

export const nodejs = {
  cpuSeconds: { ...gauge('process_cpu_seconds_total'), type: 'counter' as const },
  residentBytes: gauge('process_resident_memory_bytes'),
  heapUsed: gauge('nodejs_heap_size_used_bytes'),
  heapTotal: gauge('nodejs_heap_size_total_bytes'),
  external: gauge('nodejs_external_memory_bytes'),
  startTime: gauge('process_start_time_seconds'),
  openFds: gauge('process_open_fds'),
  maxFds: gauge('process_max_fds'),
  gcSeconds: { ...gauge('nodejs_gc_duration_seconds', ['kind']), type: 'histogram' as const },
}

/** All of them, by name. */
export const others: readonly Family[] = [...Object.values(prometheus), ...Object.values(nodejs)]
