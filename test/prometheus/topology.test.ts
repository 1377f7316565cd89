// The joins of docs/topology.md, on the golden page of a host with stacks: each counter goes up by 1 a second.
import { execFileSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { findTool, lacking } from '../tools.ts'

const read = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8')

type Expected = [labels: string, value: number][]

const EXPECTED: Expected[] = [
  // nvme1n1's two paths, nvme2n1, nvme3n1, sda, sdb, vdb and vdc.
  [['{}', 8]],
  [
    ['{vm="shop-only-1", drive="root", image="/dev/vg-a/lv", device="dm-1"}', 1],
    [
      '{vm="shop-only-1", drive="data", image="/mnt/ext4/pool/data.qcow2", mountpoint="/mnt/ext4", device="nvme1n1p1"}',
      1,
    ],
  ],
  [['{vm="shop-only-1", drive="root"}', 1]],
  [
    ['{tier="lvm"}', 1],
    ['{tier="nvme"}', 1],
  ],
  // vdb and vdc under the loop device on btrfs, nvme2n1 and nvme3n1 under LVM, and nvme1n1, whose paths no cgroup knows.
  [['{vm="shop-only-1"}', 5]],
]

t.test('the joins of docs/topology.md', { skip: lacking('promtool') }, async (t) => {
  const queries = [...(await read('docs/topology.md')).matchAll(/```promql\n(.*?)```/gs)]
  t.equal(queries.length, EXPECTED.length)
  const series = (await read('test/golden/metrics-stack.prom'))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.slice(0, line.lastIndexOf(' ')))
  const isCounter = (name: string) => /^\w+_(total|sum|count|bucket)\b/.test(name)
  const test = {
    interval: '1m',
    input_series: series.map((series) => ({
      series,
      values: isCounter(series) ? '0+60x10' : '1+0x10',
    })),
    promql_expr_test: queries.map(([, expr], index) => ({
      expr,
      eval_time: '10m',
      exp_samples: EXPECTED[index]!.map(([labels, value]) => ({ labels, value })),
    })),
  }
  const file = join(t.testdir(), 'joins.yml')
  // JSON is YAML.
  await writeFile(file, JSON.stringify({ evaluation_interval: '1m', tests: [test] }))
  t.match(run(file), /SUCCESS/)
  test.promql_expr_test[0]!.exp_samples[0]!.value = 9
  await writeFile(file, JSON.stringify({ evaluation_interval: '1m', tests: [test] }))
  t.match(run(file), /FAILED/, 'and promtool would say if one were wrong')
})

function run(file: string): string {
  try {
    return execFileSync(findTool('promtool')!, ['test', 'rules', file], {
      encoding: 'utf8',
      stdio: 'pipe',
    })
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    return stdout + stderr
  }
}
