import { build } from './dashboard.ts'
import { devicePage } from './device.ts'
import { exporterPage } from './exporter.ts'
import { studyPage } from './study.ts'
import { vmPage } from './vm.ts'

const PAGES = [devicePage, vmPage, studyPage, exporterPage]

/** Every dashboard as the text of its file in grafana/dashboards, by the file's name. */
export function dashboards(): Map<string, string> {
  return new Map(
    PAGES.map((page) => [`${page.name}.json`, `${JSON.stringify(build(page), null, 2)}\n`]),
  )
}
