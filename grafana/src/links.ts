import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard'
import { type Link, visible } from './panels.ts'

/** The dashboards, in the order in which one leads to the next. Their uids stay, since other people's links name them. */
export const DASHBOARDS = {
  fleet: { uid: 'kvmio-fleet', title: 'kvmio / Fleet' },
  tiers: { uid: 'kvmio-tiers', title: 'kvmio / Tiers and headroom' },
  device: { uid: 'kvmio-device', title: 'kvmio / Device' },
  vm: { uid: 'kvmio-vm', title: 'kvmio / VM' },
  study: { uid: 'kvmio-study', title: 'kvmio / Study' },
  exporter: { uid: 'kvmio-exporter', title: 'kvmio / Exporter' },
} as const

export type DashboardName = keyof typeof DASHBOARDS

/** Links at the head of a dashboard to all others, with the variables and the time range. */
export function headLinks(from: DashboardName) {
  return Object.entries(DASHBOARDS)
    .filter(([name]) => name !== from)
    .map(([, { uid, title }]) =>
      new dashboard.DashboardLinkBuilder(title.replace('kvmio / ', ''))
        .type(dashboard.DashboardLinkType.Link)
        .url(`/d/${uid}`)
        .tooltip(title)
        .icon('dashboard')
        .keepTime(true)
        .includeVars(true),
    )
    .map(visible)
}

const KEPT = ['datasource', 'job']

/**
 * A link of a cell or a point: to another dashboard, where variables have the values of the labels of the same name, or of
 * those that are given, with the time range.
 */
export function linkTo(
  to: DashboardName,
  labels: readonly string[] | Readonly<Record<string, string>>,
  cell = false,
): Link {
  const { uid, title } = DASHBOARDS[to]
  const set = Array.isArray(labels)
    ? labels.map((label): [string, string] => [label, label])
    : Object.entries(labels)
  const value = (name: string) => `\${${name}}`
  const kept = set.some(([variable]) => variable === 'instance') ? KEPT : [...KEPT, 'instance']
  const words = [
    value('__url_time_range'),
    ...kept.map((name) => value(`${name}:queryparam`)),
    ...set.map(
      ([variable, label]) =>
        `var-${variable}=${value(`__${cell ? 'data.fields' : 'field.labels'}.${label}`)}`,
    ),
  ]
  return { title: `To ${title}`, url: `/d/${uid}?${words.join('&')}` }
}
