// What a source does not give is absent from the page, never 0; and what is absent is told.
import { execFileSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { cgroup } from '../../src/collector/cgroup.ts'
import { golden } from '../golden.ts'
import { findTool, lacking } from '../tools.ts'
import { renderPage } from './golden-page.ts'
import { hostWith, scrapeOf, vm } from './host.ts'
import { oldHost, stackHost } from './stack-host.ts'

type Case = [what: string, absent: RegExp, there: RegExp]

function check(t: Test, page: string, cases: readonly Case[]): void {
  for (const [what, absent, there] of cases) {
    t.notMatch(page, absent, what)
    t.match(page, there, `${what}: and yet`)
  }
}

t.test('a host with LVM, nvme and two vms', async (t) => {
  const { page, said } = await renderPage(t, await stackHost(t))
  golden(t, 'metrics-stack.prom', page)
  check(t, page, [
    [
      'flushes of an nvme drive',
      /^kvmio_drive_flush\w+\{.*drive="data"/m,
      /^kvmio_drive_flush\w+\{.*drive="root"/m,
    ],
    ['discards of an old guest', /^kvmio_guest_disk_discard/m, /^kvmio_guest_disk_reads/m],
    [
      'a silent qemu',
      /^kvmio_drive_[rwf]\w+\{vm="shop-only-2"/m,
      /^kvmio_vm_up\{vm="shop-only-2"\} 0$/m,
    ],
    [
      'a process that cannot be read',
      /^kvmio_vm_process\w+\{vm="shop-only-2"/m,
      /^kvmio_vm_process\w+\{vm="shop-only-1"/m,
    ],
    [
      'a cgroup that has gone',
      /^kvmio_vm_(device|pressure)\w+\{vm="shop-only-2"/m,
      /^kvmio_vm_pressure\w+\{vm="shop-only-1"/m,
    ],
    [
      'a namespace that its kernel does not count',
      /^kvmio_device_\w+_total\{device="nvme1n1/m,
      /^kvmio_device_\w+_total\{device="nvme1c0n1"/m,
    ],
    [
      'the one device of a btrfs that has two',
      /^kvmio_drive_image_info\{.*btrfs.*device="[^"]/m,
      /^kvmio_drive_image_info\{.*btrfs.*device=""/m,
    ],
    [
      'an iostat that does not run',
      /^kvmio_iostat/m,
      /^kvmio_scrape_collector_success\{collector="iostat"\} 0$/m,
    ],
  ])
  t.strictSame(said, [
    "cgroup: ENOENT: no such file or directory, open '/cgroup/gone/io.stat'",
    'iostat: iostat has said nothing in its last three intervals',
    "process: ENOENT: no such file or directory, open '/proc/4712/FILE'",
    'qmp: no answer',
  ])
})

t.test('an old kernel', async (t) => {
  const { page } = await renderPage(t, oldHost())
  golden(t, 'metrics-old.prom', page)
  check(t, page, [
    [
      'discards and flushes',
      /^kvmio_device_(discard|flush)/m,
      /^kvmio_device_writes_completed_total\{device="dm-0"\} 2300$/m,
    ],
    ['pressure', /^kvmio_host_pressure/m, /^kvmio_host_cpu_seconds_total/m],
    ['available memory', /^kvmio_host_memory_available/m, /^kvmio_host_memory_total_bytes/m],
    [
      'shares of vms, without cgroups',
      /^kvmio_vm_device/m,
      /^kvmio_scrape_collector_success\{collector="cgroup"\} 1$/m,
    ],
  ])
})

t.test('a v1 cgroup whose files stay empty until a throttle rule was written', async (t) => {
  const file = (name: string) => `cgroup/blkio/vm/blkio.throttle.${name}_recursive`
  const empty = { [file('io_serviced')]: 'Total 0\n', [file('io_service_bytes')]: 'Total 0\n' }
  const scrape = await scrapeOf(t, { root: await hostWith(t, empty), vms: [vm('a')] })
  t.strictSame(await cgroup.collect(scrape), [], 'no share of any device, which is not 0')
  t.strictSame(scrape.errors, [])
})

t.test('promtool finds nothing to say of them', { skip: lacking('promtool') }, async (t) => {
  for (const host of [await stackHost(t), oldHost()]) {
    const { page } = await renderPage(t, host)
    t.equal(String(execFileSync(findTool('promtool')!, ['check', 'metrics'], { input: page })), '')
  }
})
