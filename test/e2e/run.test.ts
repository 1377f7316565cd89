import { join } from 'node:path'
import t from 'tap'
import {
  applianceOrLack,
  guestOn,
  homeFor,
  initrdWith,
  journal,
  kvmio,
  LOCAL,
  nothingLeft,
  writeConfig,
  writes,
} from './kvmio.ts'

const { appliance, lack: skip } = await applianceOrLack()
const kernel = appliance?.kernel ?? ''
const initrd = appliance?.initrd ?? ''

const CONFIG = {
  tiers: { local: LOCAL },
  guests: {
    small: guestOn('local'),
    // The last of two words counts, so that this one writes more than its drive holds.
    full: guestOn('local', { system: { kernel, initrd, append: 'kvmio.write=134217728' } }),
  },
  studies: {
    two: {
      guest: 'small',
      pause: '0s',
      workload: writes('2MiB'),
      factors: { 'drives.root.format': ['raw', 'qcow2'] },
    },
    full: { guest: 'full', pause: '0s', workload: writes('2MiB') },
  },
}

const HEAD =
  /^case +outcome +boot s +prepare s +write s +settle s +shutdown s +vm tps +device +device tps( +host cpu)?( +stolen)?$/m

t.test('run --once of a study with two cases', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const { code, stdout, stderr } = await kvmio(home, ['run', 'two', '--once']).end()
  t.equal(code, 0, stderr)
  t.match(stdout, HEAD)
  for (const name of ['raw', 'qcow2']) {
    t.match(stdout, new RegExp(`^${name} +passed( +\\d+\\.\\d){5}`, 'm'))
    t.match(stderr, new RegExp(`^\\[[12]/2\\] ${name}: started \\(block 1, run [12]\\)$`, 'm'))
    t.match(stderr, new RegExp(`^ {2}two-${name}-1: write at \\d+\\.\\d s$`, 'm'))
    t.match(stderr, new RegExp(`^ {2}${name}: passed$`, 'm'))
  }
  t.notMatch(stderr, '\x1b', 'plain lines where no terminal is')
  t.match(
    journal(home).map(({ outcome, block }) => ({ outcome, block })),
    [
      { outcome: 'passed', block: 1 },
      { outcome: 'passed', block: 1 },
    ],
  )
  t.strictSame(
    journal(home)
      .map((run) => run.case)
      .sort(),
    ['qcow2', 'raw'],
  )
  await nothingLeft(t, home)
})

t.test('run of a guest that cannot do its work', { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const { code, stdout, stderr } = await kvmio(home, ['run', 'full', '--once']).end()
  t.equal(code, 1)
  const error = "vm full-only-1: write: dd: error writing '/dev/vda': No space left on device"
  t.match(stdout, /^only +failed /m)
  t.match(stdout, `only: ${error}`)
  t.match(stderr, `  only: failed: ${error}`)
  t.match(journal(home)[0], { outcome: 'failed', vms: [{ outcome: 'failed' }] })
  t.match(journal(home)[0]?.reason, error)
  await nothingLeft(t, home)
})

t.test("the user's own kernel and initrd", { skip }, async (t) => {
  const home = await homeFor(t, CONFIG)
  const own = join(home.directory, 'own.img')
  const init = `#!/bin/busybox sh
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev
busybox stty -F /dev/ttyS1 raw -echo
exec >/dev/ttyS1
read -r uptime idle </proc/uptime
echo "kvmio 1 $uptime phase boot"
echo "kvmio 2 $uptime phase think"
read -r words </proc/cmdline
for word in $words; do
  case $word in own.answer=*) echo "kvmio 3 $uptime fact answer \${word#*=}" ;; esac
done
echo "kvmio 4 $uptime end passed"
busybox sleep 0.2
busybox poweroff -f
`
  await initrdWith(own, initrd, init)
  await writeConfig(home, {
    ...home.config,
    guests: {
      own: guestOn('local', { system: { kernel, initrd: 'own.img', append: 'own.answer=42' } }),
    },
    studies: { own: { guest: 'own', pause: '0s', workload: { idle: { time: '1s' } } } },
  })
  const { code, stdout, stderr } = await kvmio(home, ['run', 'own', '--once']).end()
  t.equal(code, 0, stderr)
  t.match(stdout, /^case +outcome +boot s +think s +vm tps/m)
  t.match(stdout, /^only +passed +\d/m)
  t.strictSame(journal(home)[0]?.vms[0]?.phases, ['boot', 'think', 'off'])
  await nothingLeft(t, home)
})

const BAD_USAGE: [name: string, args: string[], config: object | undefined, stderr: string][] = [
  [
    'an unknown study',
    ['run', 'tow', '--once'],
    undefined,
    'no study tow; CONFIG has two, full; did you mean two?\n',
  ],
  [
    'an unknown study of plan',
    ['plan', 'tow'],
    undefined,
    'no study tow; CONFIG has two, full; did you mean two?\n',
  ],
  [
    'a bad config',
    ['run', 'two', '--once'],
    { tiers: {}, guest: {} },
    'CONFIG:3:3: guest: unknown key; known keys are state, qemu, retention, freeSpaceFloor, discovery, density, tiers, guests, studies; did you mean guests?\n',
  ],
  [
    'a bad flag',
    ['serve', '--colector.qmp'],
    undefined,
    "error: unknown option '--colector.qmp'\n(Did you mean --collector.qmp?)\n",
  ],
  [
    'a bad number',
    ['serve', '--web.max-requests', '0'],
    undefined,
    "error: option '--web.max-requests <n>' argument '0' is invalid. expected a whole number above 0, got \"0\"\n",
  ],
  [
    'flags that contradict one another',
    ['serve', '--collector.diskstats.device-include=a', '--collector.diskstats.device-exclude=b'],
    undefined,
    '--collector.diskstats.device-include and --collector.diskstats.device-exclude cannot both be given\n',
  ],
  [
    'a bad address',
    ['serve', '--web.listen-address', 'nowhere'],
    undefined,
    '--web.listen-address: expected HOST:PORT, [IPV6]:PORT or :PORT, got "nowhere"\n',
  ],
]

t.test('bad usage ends with 2', { skip, jobs: 2, buffered: true }, async (t) => {
  for (const [name, args, config, message] of BAD_USAGE) {
    t.test(name, async (t) => {
      const home = await homeFor(t, CONFIG)
      if (config) await writeConfig(home, config as Record<string, unknown>)
      const { code, stdout, stderr } = await kvmio(home, args).end()
      t.equal(stderr.replaceAll(home.configFile, 'CONFIG'), message)
      t.equal(stdout, '')
      t.equal(code, 2)
      await nothingLeft(t, home)
    })
  }
})
