// What is shipped in prometheus/rules and tested in prometheus/tests, and what is amiss between the two.
import { glob, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { parse } from 'yaml'

export const folder = join(import.meta.dirname, '../../prometheus')

/** The host of every alert test that nothing is wrong with, or whose trouble is too small: it must stay silent. */
export const BYSTANDER = 'bystander:10177'

export interface Rule {
  file: string
  record?: string
  alert?: string
  expr: string
  for?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
}

interface AlertTest {
  eval_time: string
  alertname: string
  exp_alerts?: { exp_labels: Record<string, string>; exp_annotations: Record<string, string> }[]
}

/** One group of series, and what is asked of it. */
export interface RuleTest {
  file: string
  name: string
  input_series: { series: string; values: string }[]
  promql_expr_test?: { expr: string; eval_time: string; exp_samples?: { labels: string }[] }[]
  alert_rule_test?: AlertTest[]
}

export async function filesIn(subfolder: string): Promise<string[]> {
  return (await Array.fromAsync(glob(join(folder, subfolder, '*.yml')))).sort()
}

export async function readRules(): Promise<Rule[]> {
  const files = await filesIn('rules')
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  return texts.flatMap((text, index) =>
    parse(text).groups.flatMap(({ rules }: { rules: Omit<Rule, 'file'>[] }) =>
      rules.map((rule) => ({ ...rule, file: basename(files[index]!) })),
    ),
  )
}

export async function readTests(): Promise<RuleTest[]> {
  const files = await filesIn('tests')
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  return texts.flatMap((text, index) =>
    parse(text).tests.map((test: Omit<RuleTest, 'file'>) => ({
      ...test,
      file: basename(files[index]!),
    })),
  )
}

/** What has no test, or not enough of one. */
export function lackingTests(rules: readonly Rule[], tests: readonly RuleTest[]): string[] {
  return [
    ...rules.flatMap((rule) => (rule.record === undefined ? [] : lackingSamples(rule, tests))),
    ...rules.flatMap(({ alert }) => (alert === undefined ? [] : lackingAlertTests(alert, tests))),
  ]
}

/** A recording rule is tested when samples of it are expected, each with the labels that it adds. */
function lackingSamples({ file, record, labels = {} }: Rule, tests: readonly RuleTest[]): string[] {
  const isNamed = (expr: string) => metricNames(expr).includes(record!)
  const given = tests
    .flatMap(({ promql_expr_test = [] }) => promql_expr_test)
    .filter(({ expr }) => isNamed(expr))
    .flatMap(({ exp_samples = [] }) => exp_samples)
  const words = Object.entries(labels).map(([name, value]) => `${name}="${value}"`)
  const isTested = given.some((sample) => words.every((word) => sample.labels.includes(word)))
  const which = words.length > 0 ? `${record}{${words.join(',')}}` : record
  return isTested ? [] : [`${file}: no test expects a sample of ${which}`]
}

function lackingAlertTests(alert: string, tests: readonly RuleTest[]): string[] {
  const own = tests.flatMap((test) => {
    const asked = (test.alert_rule_test ?? []).filter(({ alertname }) => alertname === alert)
    return asked.length > 0 ? [{ ...test, asked }] : []
  })
  const fires = ({ exp_alerts = [] }: AlertTest) => exp_alerts.length > 0
  const ofFirst = ({ asked }: { asked: AlertTest[] }) => asked.findIndex(fires)
  const whole = own.filter((test) => {
    const first = ofFirst(test)
    const last = test.asked.findLastIndex(fires)
    return first > 0 && last < test.asked.length - 1
  })
  const beside = whole.filter((test) =>
    test.input_series.some(({ series }) => series.includes(`instance="${BYSTANDER}"`)),
  )
  const fired = own
    .flatMap(({ asked }) => asked)
    .flatMap(({ exp_alerts = [] }) => exp_alerts)
    .filter(({ exp_labels }) => exp_labels.instance === BYSTANDER)
  if (own.length === 0) return [`${alert}: no test`]
  if (whole.length === 0) return [`${alert}: no test has it silent, firing and silent again`]
  if (beside.length === 0) return [`${alert}: no such test has series of ${BYSTANDER}`]
  return fired.length > 0 ? [`${alert}: a test expects it of ${BYSTANDER}`] : []
}

/** The metrics that an expression names: kvmio's and those that rules record. */
export function metricNames(expr: string): string[] {
  return expr.match(/(?<![\w:"])(?:[a-z_]+:)?kvmio_\w+(?::\w+)?/g) ?? []
}
