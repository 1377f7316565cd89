import { build } from './dashboard.ts'
import { devicePage } from './device.ts'
import { exporterPage } from './exporter.ts'
import { fleetPage } from './fleet.ts'
import { studyPage } from './study.ts'
import { tiersPage } from './tiers.ts'
import { vmPage } from './vm.ts'

const PAGES = [fleetPage, tiersPage, devicePage, vmPage, studyPage, exporterPage]

/** Every dashboard as the text of its file in grafana/dashboards, by the file's name. */
export function dashboards(): Map<string, string> {
  return new Map(
    PAGES.map((page) => [`${page.name}.json`, `${JSON.stringify(build(page), null, 2)}\n`]),
  )
}
