import { access } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { readScript } from '../../../src/guest/systems/scripts.ts'
import { createSeed } from '../../../src/guest/systems/seed.ts'
import { run } from '../../../src/lib/process.ts'
import { missingPrograms } from '../../../src/storage/programs.ts'

const skip = (await missingPrograms(['mkfs.vfat', 'mcopy'])) ?? false
const words = ['kvmio.drives=root', 'kvmio.workload=script']
const script = 'echo "a: b"\n\tkvmio-phase ä # \'quoted\' \\ \n'

t.test('a seed is a FAT with the label and the files of NoCloud', { skip }, async (t) => {
  const image = join(t.testdir(), 'seed.img')
  await createSeed(image, 'demo-only-1', { words, files: { script } })
  t.match(await run('mlabel', ['-s', '-i', image, '::']), /Volume label is CIDATA/)
  const read = async (name: string) => await run('mtype', ['-i', image, `::${name}`])
  t.strictSame(parse(await read('meta-data')), {
    'instance-id': 'demo-only-1',
    'local-hostname': 'demo-only-1',
  })
  t.strictSame(parse(await read('network-config')), { network: { config: 'disabled' } })
  const text = await read('user-data')
  t.match(text, /^#cloud-config\n/)
  const { write_files: files, runcmd } = parse(text)
  const byPath = new Map<string, { content: string; permissions: string }>(
    files.map((file: { path: string }) => [file.path, file]),
  )
  t.equal(byPath.get('/run/kvmio/words')?.content, `${words.join(' ')}\n`)
  t.equal(byPath.get('/run/kvmio/script')?.content, script)
  t.match(byPath.get('/usr/local/lib/kvmio/agent.sh'), {
    content: await readScript('agent'),
    permissions: '0755',
  })
  t.ok(byPath.has('/usr/lib/systemd/system-shutdown/kvmio'))
  t.strictSame(runcmd.at(-1), ['systemctl', 'start', '--no-block', 'kvmio.service'])
})

t.test('a host without the programs', async (t) => {
  const image = join(t.testdir(), 'seed.img')
  const path = process.env.PATH
  process.env.PATH = t.testdirName
  t.teardown(() => {
    process.env.PATH = path
  })
  await t.rejects(createSeed(image, 'demo-only-1', { words, files: {} }), {
    name: 'UnavailableError',
    message:
      'vm demo-only-1: no seed for cloud-init: mkfs.vfat did not start: mkfs.vfat is not installed\n' +
      'It takes the programs mkfs.vfat and mcopy (apt-get install dosfstools mtools)',
  })
  await t.rejects(access(image), { code: 'ENOENT' })
})
