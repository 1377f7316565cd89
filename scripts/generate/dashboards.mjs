import { dashboards } from '../../grafana/src/build.ts'

const folder = new URL('../../grafana/dashboards/', import.meta.url)

/** Grafana's dashboards, as grafana/src makes them. */
export async function generate() {
  return [...dashboards()].map(([name, text]) => ({ file: new URL(name, folder), text }))
}
