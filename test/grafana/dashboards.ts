// The shipped dashboards, as Grafana would read them.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

export const folder = join(import.meta.dirname, '../../grafana/dashboards')

export interface Target {
  refId: string
  expr: string
  legendFormat?: string
  instant?: boolean
  range?: boolean
  format?: 'time_series' | 'table' | 'heatmap'
  datasource?: { type: string; uid: string }
}

export interface Panel {
  id: number
  type: string
  title: string
  description?: string
  datasource?: { type: string; uid: string }
  gridPos: { x: number; y: number; w: number; h: number }
  repeat?: string
  targets?: Target[]
  options?: Record<string, unknown>
  transformations?: { id: string; options: Record<string, unknown> }[]
  fieldConfig?: {
    defaults: {
      unit?: string
      noValue?: string
      links?: { title: string; url: string }[]
      custom?: Record<string, unknown>
    }
    overrides: {
      matcher: { id: string; options: unknown }
      properties: { id: string; value: unknown }[]
    }[]
  }
}

export interface Variable {
  name: string
  type: string
  label?: string
  query?: string | { query: string }
  refresh?: number
  multi?: boolean
  includeAll?: boolean
  allValue?: string
  current?: { value: string | string[] }
}

export interface Dashboard {
  uid: string
  title: string
  description?: string
  editable: boolean
  schemaVersion: number
  time: { from: string; to: string }
  panels: Panel[]
  templating: { list: Variable[] }
  annotations: { list?: { name: string; expr: string; datasource?: { uid: string } }[] }
  links: { title: string; url: string; keepTime: boolean; includeVars: boolean }[]
}

/** Each of them by its file's name. */
export async function readDashboards(): Promise<[name: string, dashboard: Dashboard][]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort()
  return Promise.all(
    names.map(
      async (name): Promise<[string, Dashboard]> => [
        name,
        JSON.parse(await readFile(join(folder, name), 'utf8')),
      ],
    ),
  )
}

/** Every expression: of panels, annotations and variables, with where it stands. */
export function expressions({
  panels,
  annotations,
  templating,
}: Dashboard): { where: string; expr: string; target?: Target; panel?: Panel }[] {
  return [
    ...panels.flatMap((panel) =>
      (panel.targets ?? []).map((target) => ({
        where: `${panel.title} ${target.refId}`,
        expr: target.expr,
        target,
        panel,
      })),
    ),
    ...(annotations.list ?? []).map(({ name, expr }) => ({ where: `annotation ${name}`, expr })),
    ...templating.list.flatMap(({ name, query }) => {
      const expr = selectorOf(query)
      return expr === undefined ? [] : [{ where: `variable ${name}`, expr }]
    }),
  ]
}

/** What a variable's query asks for: the selector within label_values(). */
export function selectorOf(query: Variable['query']): string | undefined {
  const text = typeof query === 'string' ? query : query?.query
  return /^label_values\((.*), \w+\)$/.exec(text ?? '')?.[1]
}
