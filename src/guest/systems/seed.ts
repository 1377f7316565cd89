// https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { UnavailableError } from '../../lib/errors.ts'
import { ProcessError, run } from '../../lib/process.ts'
import type { SeedPlan } from '../plan.ts'
import { agentFiles } from './agent-files.ts'
import type { RootFile } from './root-tree.ts'

const KIBIBYTES = 1024
const STATE = '/run/kvmio'

/** Makes the image that cloud-init finds by its label: a FAT, never mounted on this host. */
export async function createSeed(image: string, vm: string, seed: SeedPlan): Promise<void> {
  const files = {
    'meta-data': metaData(vm),
    'network-config': NETWORK,
    'user-data': await userData(seed),
  }
  const folder = join(image, '..')
  try {
    await run('mkfs.vfat', ['-C', '-n', 'CIDATA', image, String(KIBIBYTES)])
    for (const [name, text] of Object.entries(files)) {
      const file = join(folder, `${basename(image)}-${name}`)
      await writeFile(file, text)
      await run('mcopy', ['-i', image, file, `::${name}`])
    }
  } catch (error) {
    if (!(error instanceof ProcessError)) throw error
    throw new UnavailableError(
      `vm ${vm}: no seed for cloud-init: ${error.message}\n` +
        'It takes the programs mkfs.vfat and mcopy (apt-get install dosfstools mtools)',
      { cause: error },
    )
  }
}

/** A new instance each time, so that cloud-init does all that it does at a first boot. */
function metaData(vm: string): string {
  return JSON.stringify({ 'instance-id': vm, 'local-hostname': vm.slice(0, 63) })
}

// There is no network, and cloud-init would wait for one.
const NETWORK = JSON.stringify({ network: { config: 'disabled' } })

/** The agent, what it is told, and its start when the image has reached multi-user.target. JSON is YAML. */
export async function userData({ words, files }: SeedPlan): Promise<string> {
  const told: RootFile[] = Object.entries({ ...files, words: `${words.join(' ')}\n` }).map(
    ([name, content]) => ({ path: `${STATE}/${name}`.slice(1), content }),
  )
  const writeFiles = [...(await agentFiles()), ...told].flatMap((file) =>
    'target' in file
      ? []
      : [
          {
            path: `/${file.path}`,
            content: String(file.content),
            permissions: `0${(file.mode ?? 0o644).toString(8)}`,
          },
        ],
  )
  const config = {
    write_files: writeFiles,
    runcmd: [
      ['systemctl', 'daemon-reload'],
      ['systemctl', 'start', '--no-block', 'kvmio.service'],
    ],
  }
  return `#cloud-config\n${JSON.stringify(config)}\n`
}
