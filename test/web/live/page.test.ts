import t from 'tap'
import { escapeHtml } from '../../../src/lib/html.ts'
import { latencyText, rateText, spanText } from '../../../src/web/live/figures.ts'
import { livePage, liveSections } from '../../../src/web/live/page.ts'
import { sparkline } from '../../../src/web/live/sparkline.ts'
import type { LiveState } from '../../../src/web/live/state.ts'
import { AT, liveState, runState, tierState, vmState } from './states.ts'

const LINKS = { telemetryPath: '/metrics', grafanaUrl: 'https://grafana.lab/' }

/** What a person reads in what was rendered. */
function words(state: Partial<LiveState>): string {
  return liveSections(liveState(state))
    .text.replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')
}

t.test('the whole page, which asks for nothing from elsewhere', async (t) => {
  const page = livePage(liveState(), LINKS).text
  t.match(page, /^<!doctype html>\n<html lang="en">/)
  for (const link of ['/metrics', 'https://grafana.lab/', '/docs/', '/api/v1/status'])
    t.match(page, `<a href="${link}"`)
  const loaded = [...page.matchAll(/<(?:link|script|img)[^>]*(?:href|src)="([^"]*)"/g)]
  t.strictSame(
    loaded.map(([, address]) => address),
    ['/live/icon.svg', '/live/style.css', '/live/script.mjs'],
  )
  t.notMatch(page, /\sstyle=|\son\w+=|<style|<script(?! src)|javascript:/, 'nothing inline')
  t.notMatch(livePage(liveState(), { telemetryPath: '/metrics' }).text, /Grafana/)
  const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id)
  t.equal(new Set(ids).size, ids.length, 'each id once')
  for (const [, id] of page.matchAll(/ aria-labelledby="([^"]*)"/g)) t.ok(ids.includes(id))
})

t.test('whatever a name is, it is text', async (t) => {
  const evil = `"><script>alert('&')</script>`
  const state = liveState({
    version: evil,
    notReady: evil,
    tiers: [
      tierState({ name: evil, kind: evil, filesystem: evil, device: evil, unavailable: evil }),
      tierState({ room: { vms: 1, bound: evil, method: evil } }),
    ],
    vms: [
      vmState({
        ...{ name: evil, manager: evil, accelerator: evil },
        phase: { name: evil, startTime: AT },
        drives: [{ name: evil, tier: evil, pci: evil, bus: evil, format: evil, cache: evil }],
        layers: [{ layer: 'device', device: evil, flow: {} }],
      }),
    ],
    studies: [
      { name: evil, run: { id: 1, case: evil, block: 1 } },
      { name: 'b', waiting: evil },
    ],
    runs: [
      runState({ study: evil, case: evil, outcome: evil, reason: evil, phases: { [evil]: 1 } }),
    ],
    health: {
      collectors: [{ name: evil, error: { message: evil, at: AT } }],
      hanging: [evil],
      config: { file: evil, reloaded: false, reloadedAt: AT },
    },
  })
  const page = livePage(state, { telemetryPath: evil, grafanaUrl: evil }).text
  t.notMatch(page, /<script>|alert\('/)
  t.equal(page.split(escapeHtml(evil)).length - 1 > 40, true, 'and it is there, in each place')
})

t.test('tiers', async (t) => {
  t.match(words({}), /sata-7200 filesystem, ext4, on loop0 98 of 100 tps 98 %/)
  t.match(words({}), /Latency 20.2 ms target 50 ms Vms 2 Space 256 MiB of 1 GiB free/)
  const late = { tiers: [tierState({ flow: { latency: 0.051 } })] }
  t.match(words(late), /– of 100 tps .* Latency 51 ms target 50 ms, missed/)
  const room = { vms: 31, headroom: -2, bound: 'memory', method: 'sigma' }
  t.match(
    words({ tiers: [tierState({ room })] }),
    /Density 31 vms sigma, bound by memory Headroom 2 too many/,
  )
  const calibration = {
    endedAt: AT,
    classes: [
      { class: 'random-read', peak: 101.4 },
      { class: 'random-write', capacity: 78.2, peak: 97.8 },
    ],
  }
  t.match(
    words({ tiers: [tierState({ calibration, capacitySource: 'calibrated' })] }),
    /of 100 tps calibrated 98 % .* random-read at most 101 tps random-write 78 tps at most 98 /,
  )
  const bare = { ...tierState(), device: undefined, capacity: undefined, space: undefined }
  const text = words({
    tiers: [{ ...bare, flow: {}, history: [], unavailable: 'no loop devices' }],
  })
  t.match(text, /Unavailable: no loop devices – tps No block device/)
  t.notMatch(text, /Space|Density/)
  t.match(words({ tiers: [] }), /No tier: the config has none/)
})

t.test('vms, layer by layer', async (t) => {
  t.match(
    words({}),
    /demo-ide-1 write for 1 min 5 s · tcg, 192 MiB 7.3 tps last 2 s, at most 7.3 What demo-ide-1 did at each layer layer tps latency in all guest 9 1.5 ms 12,345 qemu 8 1.25 ms 12,300 process 8 – 12,310 device loop0 95 20.2 ms shared root: ide, raw, cache none on sata-7200/,
  )
  t.match(words({ vms: [vmState({ phase: undefined })] }), /demo-ide-1 starting · tcg/)
  const found = vmState({
    manager: 'libvirt',
    accelerator: '',
    memoryBytes: undefined,
    phase: undefined,
  })
  t.match(
    words({ vms: [{ ...found, layers: [], history: [], flow: {} }] }),
    /demo-ide-1 found, libvirt – tps Nothing has been read yet. root/,
  )
  t.match(words({ vms: [] }), /Vms 0 None runs now/)
})

t.test('studies and results', async (t) => {
  t.match(
    words({}),
    /demo Runs ide , block 2, run 8 , for 5 s 1 of 4 runs of this block done, about 1 min 30 s left/,
  )
  const ended = { studies: [{ name: 'b', done: 3, of: 20, planned: 20, left: 0 }] }
  t.match(words(ended), / b Between two runs 3 of 20 runs done Tiers/)
  const paused = { studies: [{ name: 'b', paused: 'space' as const, waiting: 'x' }] }
  t.match(words(paused), / b is paused: too little space Tiers/)
  t.match(words({ studies: [{ name: 'b', waiting: 'tier sata' }] }), / b Waits for tier sata Tiers/)
  t.match(
    words({}),
    / 7 demo block 2 ide passed 2 vms boot 3.0 s, write 20.0 s 2026-11-22 10:14:00 UTC/,
  )
  const failed = { runs: [runState({ outcome: 'failed', reason: 'no answer', vms: 1 })] }
  t.match(words(failed), /failed no answer 1 vm boot/)
  t.match(words({ runs: [], studies: [] }), /None goes on now.* No run has ended yet/)
})

t.test('health', async (t) => {
  t.match(
    words({}),
    /1 collector fails. Counters are read each second, the last time 0 s ago. The config is \/lab\/kvmio.yaml as of 2026-11-22 09:58:20 UTC \. qmp ok 4 ms iostat fails 100 ms 4 s ago: no iostat host not yet/,
  )
  const { health } = liveState()
  const sick = {
    ...health,
    collectors: [],
    hanging: ['/mnt/dead'],
    config: { ...health.config, reloaded: false },
  }
  t.match(
    words({ health: sick }),
    /All collectors read their sources.*kvmio.yaml has mistakes; the config of .* is in force. Asked without an answer: \/mnt\/dead/,
  )
  t.match(words({ notReady: 'kvmio is starting.' }), /^ kvmio is starting. Studies/)
})

t.test('figures', async (t) => {
  t.strictSame([0, 0.04, 7.26, 9.96, 97.5, 12345.6].map(rateText), [
    '0',
    '0',
    '7.3',
    '10',
    '98',
    '12,346',
  ])
  t.strictSame([0, 85e-6, 0.0012345, 0.0123, 0.25, 1.5, 1234].map(latencyText), [
    '0 µs',
    '85 µs',
    '1.23 ms',
    '12.3 ms',
    '250 ms',
    '1.5 s',
    '1,230 s',
  ])
  t.strictSame([-1, 0.9, 1.9, 65, 3720].map(spanText), [
    '0 s',
    '0 s',
    '1 s',
    '1 min 5 s',
    '1 h 2 min',
  ])
})

t.test('a sparkline says what it shows, and leaves gaps', async (t) => {
  const { text } = sparkline([0, 10, null, 5, 20], 40)
  t.match(
    text,
    'aria-label="Transactions per second in the last 5 s: from 0 to 20, now 20; capacity 40"',
  )
  const lines = [...text.matchAll(/<polyline class="line" points="([^"]*)"/g)].map(
    ([, points]) => points,
  )
  t.strictSame(lines, ['224,48 228,36.6', '236,42.3 240,25.1'])
  t.match(text, /<line class="capacity" x1="0" x2="240" y1="2.3" y2="2.3"/)
  t.match(sparkline([3, null]).text, /now not known/)
  t.match(sparkline([null]).text, /Nothing has been read yet/)
  t.notMatch(sparkline([0, 0]).text, /NaN|Infinity/)
})
