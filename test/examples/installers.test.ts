import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../src/config/load.ts'
import { run } from '../../src/lib/process.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { planCases } from '../../src/study/plan.ts'
import { planVms } from '../../src/study/vm-plans.ts'

const EXAMPLES = join(import.meta.dirname, '../../examples')

/** The vms that an example's study would start, planned without a host. */
async function plansOf(example: string) {
  const { studies, guests } = await loadConfig(join(EXAMPLES, example, 'kvmio.yaml'))
  const study = studies.install!
  return planCases(study, guests[study.guest]!).flatMap((point) =>
    planVms('install', point, {
      stateDir: '/state',
      locate: (tier, vm) => ({ kind: 'file', path: `/${tier}/${vm}` }),
      accelerator: 'tcg',
    }),
  )
}

t.test('kickstart: check accepts it, and each case would start', async (t) => {
  const plans = await plansOf('kickstart')
  t.strictSame(
    plans.map(({ drives }) => drives[0]?.bus),
    ['virtio-blk', 'virtio-scsi', 'sata', 'nvme'],
  )
  for (const plan of plans) {
    t.match(plan, {
      done: 'power-off',
      boot: { files: { 'ks.cfg': join(EXAMPLES, 'kickstart/ks.cfg') } },
      media: [{ kind: 'cdrom' }],
    })
  }
})

t.test('kickstart: its commands and sections', async (t) => {
  const { commands, sections } = parseKickstart(
    await readFile(join(EXAMPLES, 'kickstart/ks.cfg'), 'utf8'),
  )
  // Without these Anaconda asks, or does not end as kvmio is told that it does.
  for (const command of ['cdrom', 'lang', 'keyboard', 'timezone', 'rootpw', 'zerombr', 'poweroff'])
    t.ok(commands.has(command), command)
  t.notOk(commands.has('reboot'))
  t.match(commands.get('clearpart'), /--all/)
  t.match(commands.get('bootloader'), /console=ttyS0/, 'what is installed speaks on the console')
  t.match(commands.get('part'), /^\/ .*--grow/)
  t.strictSame([...sections.keys()], ['packages', 'post'])
  t.match(sections.get('packages'), ['@^minimal-environment'])
})

t.test('a kickstart whose section is not closed', async (t) => {
  t.throws(() => parseKickstart('%packages\nvim\n'), /%packages without %end/)
  t.throws(() => parseKickstart('%end\n'), /%end without a section/)
})

t.test('preseed: check accepts it, and each case would start', async (t) => {
  const plans = await plansOf('preseed')
  t.strictSame(
    plans.map((plan) => plan.case),
    ['cold', 'warm'],
  )
  t.match(plans[0], {
    done: 'power-off',
    boot: { files: { 'preseed.cfg': join(EXAMPLES, 'preseed/preseed.cfg') } },
    media: [{ kind: 'cdrom' }],
    keep: { drive: 'root', path: '/state/systems/installed/debian-di-cold.qcow2' },
  })
})

const PRESEED = join(EXAMPLES, 'preseed/preseed.cfg')

t.test('preseed: its answers', async (t) => {
  const answers = new Map(
    (await readFile(PRESEED, 'utf8'))
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const [owner, question, type, ...value] = line.split(' ')
        t.match(owner, /^(d-i|tasksel|popularity-contest)$/, line)
        t.match(type, /^(boolean|string|select|multiselect|note|password)$/, line)
        if (type === 'boolean') t.match(value.join(' '), /^(true|false)$/, line)
        return [question, value.join(' ')]
      }),
  )
  t.match(Object.fromEntries(answers), {
    'debian-installer/exit/poweroff': 'true',
    'apt-setup/use_mirror': 'false',
    'partman/confirm': 'true',
    'partman/confirm_nooverwrite': 'true',
    'debian-installer/add-kernel-opts': /console=ttyS0/,
  })
})

const lack = await missingPrograms(['debconf-set-selections'])

t.test('preseed: debconf can read it', { skip: lack ?? false }, async (t) => {
  t.equal(await run('debconf-set-selections', ['--checkonly', PRESEED]), '')
  await t.rejects(run('debconf-set-selections', ['--checkonly'], { input: 'd-i nothing\n' }))
})

/** Commands by name, and the lines of each section, as https://pykickstart.readthedocs.io has them. */
function parseKickstart(text: string) {
  const commands = new Map<string, string>()
  const sections = new Map<string, string[]>()
  let open: string | undefined
  for (const line of text.split('\n').map((line) => line.trim())) {
    if (line === '%end') {
      if (open === undefined) throw new Error('%end without a section')
      open = undefined
    } else if (open !== undefined) {
      sections.get(open)!.push(line)
    } else if (line.startsWith('%')) {
      open = line.slice(1).split(' ')[0]!
      sections.set(open, [])
    } else if (line !== '' && !line.startsWith('#')) {
      const [command = '', ...rest] = line.split(' ')
      commands.set(command, rest.join(' '))
    }
  }
  if (open !== undefined) throw new Error(`%${open} without %end`)
  return { commands, sections }
}
