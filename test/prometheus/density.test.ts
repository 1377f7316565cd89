// The density that the recording rules have by the method sigma is the model's, on random tiers and demands.
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { sigmaLoad, vmsBySigma } from '../../src/density/methods.ts'
import { mulberry32 } from '../../src/lib/random.ts'
import { findTool, lacking } from '../tools.ts'
import { folder } from './rules.ts'

const CASES = 80
const TARGET = 0.1

t.test('density by sigma', { skip: lacking('promtool') }, async (t) => {
  const random = mulberry32(7)
  const cases = Array.from({ length: CASES }, (_, index) => {
    // Down to C = 0, to a vm that asks for more than there is, and to the edges of the correlation.
    const capacity = Math.max(0, random() * 1.1 - 0.1)
    const mean = 10 ** (-3 * random())
    const sigma = index % 9 === 0 ? 0 : mean * 4 * random()
    const correlation = index % 5 === 0 ? 0 : index % 7 === 0 ? 1 : random()
    const z = [1.645, 2.326][index % 2]!
    const vms = vmsBySigma({ mean, sigma, correlation }, capacity, z)
    return { name: `t${index}`, capacity, mean, sigma, correlation, z, vms: vms! }
  })
  t.ok(cases.filter(({ vms }) => vms > 0).length > CASES / 3, 'some fit')
  t.ok(cases.some(({ vms }) => vms === 0) && cases.some(({ vms }) => vms > 20), 'none, and many')
  const near = (load: number, capacity: number) => Math.abs(load - capacity) < 1e-7
  for (const { vms, capacity, z, name, ...demand } of cases) {
    const isEdge = near(sigmaLoad(demand, vms, z), capacity)
    t.notOk(vms > 0 && isEdge, `${name} is not at the edge, where rounding decides`)
  }
  const series = cases.flatMap(({ name, capacity, mean, sigma, correlation, z }) => {
    const labels = `instance="${name}",tier="t"`
    const stated = `${labels},guest="g",source="stated"`
    const value = (series: string, value: number) => ({ series, values: `${value}x1` })
    return [
      value(`kvmio_tier_target_latency_seconds{${labels}}`, TARGET),
      value(
        `kvmio_tier_base_latency_seconds{${labels},source="calibrated",class="random-read"}`,
        TARGET * (1 - capacity),
      ),
      value(`kvmio_density_z_score{instance="${name}"}`, z),
      value(`kvmio_density_demand_mean_ratio{${stated}}`, mean),
      value(`kvmio_density_demand_deviation_ratio{${stated}}`, sigma),
      value(`kvmio_density_demand_correlation_ratio{${stated}}`, correlation),
    ]
  })
  const samples = cases.map(({ name, vms }) => ({
    labels: `tier_guest_constraint:kvmio_density_vms:fitting{instance="${name}",tier="t",guest="g",constraint="io"}`,
    value: vms,
  }))
  const test = {
    interval: '1m',
    input_series: series,
    promql_expr_test: [
      {
        expr: 'tier_guest_constraint:kvmio_density_vms:fitting{constraint="io"}',
        eval_time: '1m',
        exp_samples: samples,
      },
    ],
  }
  const rule_files = ['tier', 'density'].map((name) => join(folder, 'rules', `${name}.yml`))
  const file = join(t.testdir(), 'density.yml')
  await writeFile(file, JSON.stringify({ rule_files, evaluation_interval: '1m', tests: [test] }))
  const said = await promisify(execFile)(findTool('promtool')!, ['test', 'rules', file]).catch(
    (error) => error,
  )
  t.match(said.stdout, /SUCCESS/, `${said.stdout}${said.stderr}`)
})
