import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { release, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { kvmFingerprint } from '../../src/host/accelerator.ts'
import { type Finding, type Probe, tryOut } from '../../src/host/finding.ts'
import { kernelProbes } from '../../src/host/kernel.ts'
import { readManifest } from '../../src/host/manifest.ts'
import { programProbes } from '../../src/host/programs.ts'
import { missingPrograms } from '../../src/storage/programs.ts'

/** A host of these files; gone when the test has ended. */
async function hostOf(t: Test, files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'kvmio-host-'))
  t.teardown(() => rm(root, { recursive: true, force: true }))
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  return root
}

function tryAll(probes: readonly Probe[]): Promise<Finding[]> {
  return Promise.all(probes.map(({ subject, remedy, trial }) => tryOut(subject, remedy, trial)))
}

async function examine(t: Test, files: Record<string, string>, filesystems: string[] = []) {
  const root = await hostOf(t, { 'proc/x': '', 'dev/x': '', ...files })
  const roots = { procRoot: join(root, 'proc'), devRoot: join(root, 'dev'), release: 'none' }
  const findings = await tryAll(kernelProbes(roots, filesystems))
  return { root, found: Object.fromEntries(findings.map((one) => [one.subject, one])) }
}

function mountinfo(lines: string[]): string {
  return lines.map((line, index) => `${30 + index} 1 0:${index} / ${line}\n`).join('')
}

t.test('a kernel that has nothing', async (t) => {
  const { root, found } = await examine(t, { 'proc/misc': '229 fuse\n', 'proc/self/mountinfo': '' })
  t.strictSame(Object.keys(found), [
    'root',
    'mounts',
    'loop devices',
    'fuse',
    'device mapper',
    'I/O cgroups',
    'pressure',
  ])
  const cannot = (detail: string, remedy: string): Partial<Finding> => ({
    can: false,
    detail,
    remedy,
  })
  const missing = (path: string) =>
    `ENOENT: no such file or directory, access '${join(root, path)}'`
  t.match(
    found['loop devices'],
    cannot(missing('dev/loop-control'), 'modprobe loop, and run as root'),
  )
  t.match(found.fuse, cannot(missing('dev/fuse'), 'modprobe fuse, and run as root'))
  t.match(
    found['device mapper'],
    cannot('not in /proc/misc', 'modprobe dm_mod; without it there are no logical volumes'),
  )
  t.match(
    found['I/O cgroups'],
    cannot('no hierarchy has an I/O controller', 'mount cgroup2, or the v1 controller blkio'),
  )
  t.match(found.pressure, cannot(missing('proc/pressure/io'), 'boot with psi=1'))
})

t.test('a kernel that has it all', async (t) => {
  const files = {
    'proc/misc': ' 236 device-mapper\n229 fuse\n',
    'proc/pressure/io': 'some avg10=0.00\n',
    'dev/loop-control': '',
    'proc/self/status': 'CapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\n',
    'dev/fuse': '',
  }
  const root = await hostOf(t, { 'cgroup/cgroup.controllers': 'cpu io memory\n' })
  const cgroup2 = mountinfo([`${root}/cgroup rw - cgroup2 cgroup2 rw`])
  const { found } = await examine(t, { ...files, 'proc/self/mountinfo': cgroup2 })
  t.match(found.mounts, { can: true, detail: 'CAP_SYS_ADMIN' })
  t.match(found.fuse, { can: true, detail: '/dev/fuse opens', remedy: undefined })
  t.match(found['device mapper'], { can: true, detail: 'in /proc/misc' })
  t.match(found['I/O cgroups'], { can: true, detail: `v2 at ${root}/cgroup` })
  t.match(found.pressure, { can: true, detail: '/proc/pressure/io' })
})

t.test('root in a container that may not mount', async (t) => {
  const { found } = await examine(t, { 'proc/self/status': 'CapEff:\t00000000a80425fb\n' })
  t.match(found.mounts, {
    can: false,
    detail: 'this process may not mount: it has no CAP_SYS_ADMIN',
    remedy: 'run as root, in a container with CAP_SYS_ADMIN',
  })
})

t.test('cgroups of the first kind', async (t) => {
  const root = await hostOf(t, { 'blkio/tasks': '', 'unified/cgroup.controllers': '\n' })
  const both = mountinfo([
    `${root}/unified rw - cgroup2 cgroup2 rw`,
    `${root}/blkio rw - cgroup cgroup rw,blkio`,
  ])
  const { found } = await examine(t, { 'proc/self/mountinfo': both })
  const detail = `v1 blkio at ${root}/blkio: host-cached writes cannot be attributed`
  t.match(found['I/O cgroups'], { can: true, detail })
})

const lack = (await missingPrograms(['mkfs.ext4'])) ?? false
t.test('filesystems: built in, and what makes them', { skip: lack }, async (t) => {
  const filesystems = 'nodev\ttmpfs\n\text4\n\text3\n'
  const { found } = await examine(t, { 'proc/filesystems': filesystems }, ['ext4', 'ext', 'nofs'])
  t.match(found['filesystem ext4'], { can: true, detail: 'in /proc/filesystems' })
  const remedy = (type: string) => `install mkfs.${type}, and a kernel that has ${type}`
  for (const type of ['ext', 'nofs']) {
    const detail = `this kernel has no ${type}`
    t.match(found[`filesystem ${type}`], { can: false, detail, remedy: remedy(type) })
  }
  const { found: other } = await examine(t, { 'proc/filesystems': '\tnofs\n' }, ['nofs'])
  const detail = 'mkfs.nofs did not start: mkfs.nofs is not installed'
  t.match(other['filesystem nofs'], { can: false, detail, remedy: remedy('nofs') })
})

t.test('root or not', async (t) => {
  const { found } = await examine(t, {})
  const uid = process.getuid?.()
  t.match(found.root, { can: uid === 0, detail: `runs as uid ${uid}` })
  t.equal(found.root?.remedy === undefined, uid === 0)
})

t.test('programs: there with a version, or with what to install', async (t) => {
  const findings = await tryAll(programProbes())
  t.ok(findings.some(({ subject }) => subject === 'qemu-img'))
  for (const { subject, can, detail, remedy } of findings) {
    if (can) t.ok(detail.length > 0 && !detail.includes('\n') && !remedy, `${subject}: ${detail}`)
    else t.ok(/apt install|npm test/.test(remedy ?? ''), `${subject}: ${remedy}`)
  }
})

t.test('what a verdict on KVM depends on', async (t) => {
  const cpuinfo =
    'processor\t: 0\nmodel name\t: Intel(R) Xeon(R)\nprocessor\t: 1\nmodel name\t: x\n'
  const root = await hostOf(t, { cpuinfo })
  const expected = `${release()}, qemu 7.2.22, Intel(R) Xeon(R)`
  t.equal(await kvmFingerprint(root, '7.2.22'), expected)
  t.not(await kvmFingerprint(root, '7.2.23'), expected)
  const other = await hostOf(t, { cpuinfo: 'processor : 0\n' })
  t.equal(await kvmFingerprint(other, '7.2.22'), `${release()}, qemu 7.2.22, unknown processor`)
})

const noQemu = (await missingPrograms(['qemu-system-x86_64'])) ?? false
t.test('the manifest of a run', { skip: noQemu }, async (t) => {
  const manifest = await readManifest('0.1.0', 'qemu-system-x86_64', '/proc')
  t.match(manifest, { kvmio: '0.1.0', kernel: release(), qemu: /^\d+\.\d+/, cpus: Number })
  t.strictSame(Object.keys(manifest.dirty).length, 6)
  t.match(manifest.dirty.dirty_ratio, /^\d+$/)
})
