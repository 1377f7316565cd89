// The shipped rules with all that stands around them: a guest saturates an emulated disk of 100 transactions a second, a real
// Prometheus evaluates the rules, a real Alertmanager gets KvmioTierSaturated and delivers it to a webhook, and it is resolved
// when the load has ended. The windows and waits of the rules are cut to seconds; nothing else of them is changed.
//
//   npm run test:alerts

import { ok } from 'node:assert/strict'
import { cp, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { applianceOrLack, cannotEmulate, guestOn, homeFor, serve, until } from '../e2e/kvmio.ts'
import { freePort } from '../ports.ts'
import { lackingTool, startAlertmanager, startPrometheus } from '../prometheus/servers.ts'

const LIMIT_MS = 300_000
const TIER = 'disk-10ms'
const ALERT = 'KvmioTierSaturated'

// So many writers have as many operations in flight, 10.4 ms each, one after another: each takes 166 ms. The target is 20 ms,
// and the knee 20 ms x 100 - 1 = 1.
const WRITERS = 16
// What makes the tier ready saturates it too, for a moment: that alert is to be over before.
const QUIET_SECONDS = 60
const SCRIPT = `
sleep ${QUIET_SECONDS}
writer=0
while [ $writer -lt ${WRITERS} ]; do
  dd if=/dev/zero of="$KVMIO_DISK" bs=4096 count=400 seek=$((writer * 512)) conv=notrunc oflag=direct status=none &
  writer=$((writer + 1))
done
wait
`

const CONFIG = {
  tiers: {
    [TIER]: {
      filesystem: { type: 'ext4', size: '256MiB' },
      emulate: { serviceTime: '10ms' },
      target: { latency: '20ms' },
      capacity: { transactionsPerSecond: 100 },
    },
  },
  // A write that ext4 has to find room for waits for those before it, and so never reaches the device's queue.
  guests: { tiny: guestOn(TIER, {}, { preallocation: 'full' }) },
  studies: {
    load: {
      guest: 'tiny',
      workload: { script: { run: SCRIPT, to: 'device' } },
      schedule: 'continuous',
      pause: '1h',
    },
  },
}

/** What Alertmanager posts, of the format's version 4. */
interface Notification {
  at: number
  alerts: {
    status: 'firing' | 'resolved'
    labels: Record<string, string>
    annotations: Record<string, string>
    startsAt: string
    endsAt: string
  }[]
}

const lack =
  (await applianceOrLack()).lack ||
  (await cannotEmulate()) ||
  lackingTool('prometheus', 'prometheus-alertmanager')
if (lack) {
  process.stdout.write(`skipped: ${lack}\n`)
} else {
  const undo: (() => unknown)[] = []
  const t = { teardown: (step: () => unknown) => void undo.unshift(step) }
  try {
    await delivered(t)
  } finally {
    for (const step of undo) await step()
  }
}

async function delivered(t: { teardown(step: () => unknown): void }): Promise<void> {
  const home = await homeFor(t, CONFIG)
  const { url, notifications } = await listen(t)
  const folder = join(home.directory, 'prometheus')
  const address = `127.0.0.1:${await freePort()}`
  const alertmanager = `127.0.0.1:${await freePort()}`
  await copyShipped(folder, { target: address, alertmanager, webhook: url })
  await startAlertmanager(t, join(folder, 'alertmanager.yml'), alertmanager)
  const query = await startPrometheus(t, join(folder, 'prometheus.yml'))
  await serve(home, '--web.listen-address', address)

  const isInScript = async () => (await query('kvmio_vm_phase{phase="script"}')).length > 0
  await until('the script to begin', isInScript, LIMIT_MS)
  const began = Date.now() + QUIET_SECONDS * 1000
  const told = (status: string) => () => {
    const found = notifications.flatMap(({ at, alerts }) =>
      alerts.map((alert) => ({ ...alert, at })),
    )
    return found.find(
      ({ labels, startsAt, ...alert }) =>
        labels.alertname === ALERT && Date.parse(startsAt) > began && alert.status === status,
    )
  }
  const firing = await until(`the webhook to be told that ${ALERT} fires`, told('firing'), LIMIT_MS)
  ok(firing.labels.tier === TIER && firing.labels.instance === address, 'of this tier and host')
  ok(firing.labels.severity === 'warning')
  const { description = '' } = firing.annotations
  ok(
    /^An operation on tier disk-10ms of \S+ takes [\d.]+m?s; the target is 20ms\. [\d.]+ are in flight, above 1\.0 /.test(
      description,
    ),
    description,
  )
  await until(
    'the load to end',
    async () => {
      ok(told('resolved')() === undefined, 'not resolved while the load goes on')
      return !(await isInScript())
    },
    LIMIT_MS,
  )
  const ended = Date.now()
  const resolved = await until('the webhook to be told that it is over', told('resolved'), LIMIT_MS)
  ok(resolved.startsAt === firing.startsAt, 'the same alert')

  const since = (at: number, from = began) => `${((at - from) / 1000).toFixed(1)} s`
  const others = notifications
    .flatMap(({ alerts }) => alerts.map(({ labels }) => labels.alertname ?? ''))
    .filter((name) => name !== ALERT)
  process.stdout.write(
    [
      description,
      `the webhook was told ${since(firing.at)} after the load began, of which the rule waited for 5 s`,
      `the load ended after ${since(ended)}, the webhook was told ${since(resolved.at, ended)} later`,
      `other alerts that it was told of: ${[...new Set(others)].join(', ') || 'none'}`,
      '1 passed, 0 failed',
      '',
    ].join('\n'),
  )
}

/** A webhook that keeps what it gets. */
async function listen(t: { teardown(step: () => unknown): void }) {
  const notifications: Notification[] = []
  const server = createServer(async (request, response) => {
    const chunks = await Array.fromAsync(request)
    notifications.push({ at: Date.now(), ...JSON.parse(Buffer.concat(chunks).toString()) })
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/`, notifications }
}

/** The shipped configuration with the addresses of this test and seconds for minutes. */
async function copyShipped(
  folder: string,
  { target, alertmanager, webhook }: Record<'target' | 'alertmanager' | 'webhook', string>,
): Promise<void> {
  await cp(join(import.meta.dirname, '../../prometheus'), folder, { recursive: true })
  const rewrite = async (file: string, change: (text: string) => string) => {
    const text = await readFile(join(folder, file), 'utf8')
    const changed = change(text)
    ok(changed !== text, `${file} has what is to be changed`)
    await writeFile(join(folder, file), changed)
  }
  await rewrite('prometheus.yml', (text) =>
    text.replaceAll(/(_interval): 10s/g, '$1: 5s').replace('127.0.0.1:9093', alertmanager),
  )
  await rewrite('targets/local.yml', () => `- targets: ['${target}']\n`)
  for (const file of await readdir(join(folder, 'rules'))) {
    await rewrite(join('rules', file), (text) =>
      text.replaceAll(/\[\d+[mhd]\]/g, '[30s]').replaceAll(/\bfor: \d+m$/gm, 'for: 5s'),
    )
  }
  await rewrite('alertmanager.yml', (text) =>
    text
      .replace('group_wait: 30s', 'group_wait: 1s')
      .replace('group_interval: 5m', 'group_interval: 2s')
      .replace(/^( {2}receiver:) nobody$/m, '$1 webhook')
      .replace('http://127.0.0.1:9095/', webhook),
  )
}
