import t from 'tap'
import { selectors } from './promql.ts'

const CASES: [expr: string, found: object[]][] = [
  ['up', [{ name: 'up', matchers: '', within: [] }]],
  [
    'sum by (a, b) (rate(x_total{job=~"$job",c="}"}[$__rate_interval])) / (y{} > 0)',
    [
      {
        name: 'x_total',
        matchers: 'job=~"$job",c="}"',
        within: ['rate', 'sum'],
        range: '$__rate_interval',
      },
      { name: 'y', matchers: '', within: [] },
    ],
  ],
  [
    'histogram_quantile(0.99, sum(a:b_bucket) by (le)) * on (vm) group_left (c) d or 1e3 * e offset 5m',
    [
      { name: 'a:b_bucket', matchers: '', within: ['sum', 'histogram_quantile'] },
      { name: 'd', matchers: '', within: [] },
      { name: 'e', matchers: '', within: [] },
    ],
  ],
  [
    'label_replace(z, "leaf", "$1", "device", "(.+)")',
    [{ name: 'z', matchers: '', within: ['label_replace'] }],
  ],
]

t.test('the series of an expression', async (t) => {
  for (const [expr, found] of CASES) t.strictSame(selectors(expr), found, expr)
})
