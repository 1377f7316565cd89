import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Command } from 'commander'
import t from 'tap'
import { parse } from 'yaml'
import { addServeOptions } from '../src/cli/options.ts'

// No Docker engine is needed: what compose.yaml says is held against the files, ports, flags and packages of the project.

const root = join(import.meta.dirname, '..')
const text = await readFile(join(root, 'compose.yaml'), 'utf8')
const read = (file: string) => readFile(join(root, file), 'utf8')

interface Service {
  image?: string
  build?: { context: string; dockerfile_inline: string }
  command?: string[]
  profiles?: string[]
  ports?: string[]
  volumes: string[]
  network_mode?: string
  depends_on?: Record<string, unknown>
  read_only?: boolean
  privileged?: boolean
  cap_drop?: string[]
  cap_add?: string[]
  security_opt?: string[]
  healthcheck: { test: string[] }
}

interface Compose {
  services: Record<string, Service>
  volumes: Record<string, null>
}

const { services, volumes }: Compose = parse(text, { merge: true })
const each = Object.entries(services)
const { kvmio, exporter, prometheus, alertmanager, grafana } = services as Record<
  'kvmio' | 'exporter' | 'prometheus' | 'alertmanager' | 'grafana',
  Service
>
const dockerfile = kvmio.build!.dockerfile_inline

t.test('the services, and who starts without being asked', async (t) => {
  const names = ['kvmio', 'exporter', 'prometheus', 'alertmanager', 'grafana']
  t.strictSame(Object.keys(services), names)
  const asked = each.filter(([, { profiles }]) => profiles).map(([name]) => name)
  t.strictSame(asked, ['exporter'])
  t.strictSame(exporter.profiles, ['exporter-only'])
  const { ports: _, profiles: __, ...alone } = exporter
  const { ports: ___, ...whole } = kvmio
  t.strictSame(alone, whole, 'both are the same but for their ports')
})

t.test('ports are open on loopback alone, and are those of the shipped files', async (t) => {
  for (const [name, { ports = [] }] of each) {
    for (const port of ports) t.match(port, /^127\.0\.0\.1:(\d+):\1$/, name)
  }
  const published = kvmio.ports!.map((port) => port.split(':').at(-1))
  t.strictSame(published, ['10177', '9090', '9093', '3000'])
  t.strictSame(exporter.ports, ['127.0.0.1:10177:10177'])
  for (const one of [prometheus, alertmanager, grafana]) {
    t.equal(one.network_mode, 'service:kvmio', "all of them in kvmio's network")
    t.strictSame(Object.keys(one.depends_on!), ['kvmio'])
    t.notOk(one.ports)
  }
  const local = parse(await read('prometheus/targets/local.yml'))
  t.strictSame(local, [{ targets: ['127.0.0.1:10177'] }])
  const source = parse(await read('grafana/provisioning/datasources/kvmio.yml'))
  t.equal(source.datasources[0].url, 'http://127.0.0.1:9090')
  const { alerting } = parse(await read('prometheus/prometheus.yml'))
  t.strictSame(alerting.alertmanagers, [{ static_configs: [{ targets: ['127.0.0.1:9093'] }] }])
})

t.test('images are pinned, and the Node is the one that the package pins', async (t) => {
  for (const [name, { image, build }] of each) {
    t.equal(!image, !!build, name)
    if (image) t.match(image, /^[a-z]+\/[a-z]+:v?\d+\.\d+\.\d+$/, name)
  }
  const { devDependencies } = JSON.parse(await read('package.json'))
  t.match(dockerfile, `FROM node:${devDependencies.node}-bookworm-slim\n`)
  t.match(devDependencies.node, /^24\./)
})

t.test(
  'the image has the programs that set-up installs, and the files that are copied',
  async (t) => {
    const [, programs] = (await read('scripts/setup.mjs')).split('const PROGRAMS = [')
    const packages = [...programs!.matchAll(/^ {2}\['[\w.-]+', '([\w-]+)'/gm)].map(
      ([, name]) => name!,
    )
    t.ok(packages.length > 5)
    const words = dockerfile.split(/\s+/)
    t.strictSame(
      packages.filter((name) => !words.includes(name)),
      [],
    )
    const copied = [...dockerfile.matchAll(/^COPY (.*) \S+$/gm)].flatMap(([, names]) =>
      names!.split(' '),
    )
    t.strictSame(copied, ['package.json', 'package-lock.json', 'src'])
    for (const name of copied) await t.resolves(access(join(root, name)), name)
  },
)

t.test('the command is one that kvmio takes', async (t) => {
  const [node, main, command, ...flags] = JSON.parse(/^CMD (.*)$/m.exec(dockerfile)![1]!)
  t.strictSame([node, main, command], ['node', 'src/main.ts', 'serve'])
  await t.resolves(access(join(root, main)))
  const parsed = addServeOptions(new Command().exitOverride()).parse(flags, { from: 'user' }).opts()
  t.equal(parsed['web.listenAddress'], ':10177')
  const config = mountsOf(kvmio).find(
    ({ inside }) => inside === `/opt/kvmio/${parsed['config.file']}`,
  )
  t.match(config, { source: './kvmio.yaml', mode: 'ro' })
  const { state } = parse(await read('kvmio.yaml'))
  const kept = mountsOf(kvmio).find(({ inside }) => inside === join('/opt/kvmio', state))
  t.match(kept, { source: 'state' }, 'the state is on a volume')
})

t.test('what is mounted is there, and files of the project are mounted read-only', async (t) => {
  const named = new Set<string>()
  for (const [name, service] of each) {
    for (const { source, inside, mode } of mountsOf(service)) {
      if (/^[a-z]+$/.test(source)) named.add(source)
      else if (!source.startsWith('/'))
        await t.resolves(access(join(root, source)), `${name}: ${source}`)
      if (source.startsWith('./')) t.equal(mode, 'ro', `${name}: ${source}`)
      t.match(inside, /^\//)
    }
  }
  t.strictSame([...named].sort(), Object.keys(volumes).sort(), 'each volume is used and declared')
})

t.test('flags that name files name mounted ones', async (t) => {
  for (const [name, service] of Object.entries({ prometheus, alertmanager })) {
    const [, file] = /^--config\.file=(.*)$/.exec(service.command![0]!)!
    const mount = mountsOf(service).find(({ inside }) => file!.startsWith(`${inside}/`))!
    const source = join(root, mount.source, file!.slice(mount.inside.length))
    await t.resolves(access(source), `${name}: ${file}`)
    const [, kept] = /^--storage\.(?:tsdb\.)?path=(.*)$/.exec(service.command![1]!)!
    t.ok(mountsOf(service).some(({ source, inside }) => inside === kept && source === name))
  }
  const provider = parse(await read('grafana/provisioning/dashboards/kvmio.yml')).providers[0]
  const dashboards = mountsOf(grafana).find(({ inside }) => inside === provider.options.path)
  t.equal(dashboards?.source, './grafana/dashboards')
  t.ok(mountsOf(grafana).some(({ inside }) => inside === '/etc/grafana/provisioning'))
})

t.test('no more privileges than those that are named, each with its reason', async (t) => {
  for (const [name, { privileged, read_only, cap_drop, security_opt }] of each) {
    t.notOk(privileged, name)
    t.equal(read_only, true, name)
    t.strictSame(cap_drop, ['ALL'], name)
    t.ok(security_opt!.includes('no-new-privileges:true'), name)
  }
  for (const one of [prometheus, alertmanager, grafana]) t.notOk(one.cap_add)
  const devices = /device_cgroup_rules:\n((?: {4}- .*\n)+)/.exec(text)![1]!.trim().split('\n')
  for (const line of devices) t.match(line, /^ *- [bc] (\d+):(\d+|\*) rwm # \S/)
})

t.test('each has a health check at a port that it listens on', async (t) => {
  const ports = {
    kvmio: 10177,
    exporter: 10177,
    prometheus: 9090,
    alertmanager: 9093,
    grafana: 3000,
  }
  for (const [name, { healthcheck }] of each) {
    const port = ports[name as keyof typeof ports]
    t.equal(healthcheck.test[0], 'CMD')
    t.match(healthcheck.test.at(-1), `http://127.0.0.1:${port}/`, name)
  }
})

interface Mount {
  /** A path here, or the name of a volume. */
  source: string
  inside: string
  mode?: string
}

function mountsOf({ volumes }: Service): Mount[] {
  return volumes.map((volume) => {
    const [source = '', inside = '', mode] = volume.split(':')
    return { source, inside, mode }
  })
}
