import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KvmioError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { type Finding, tryOut } from './finding.ts'
import { readQemuVersion } from './qemu.ts'

const DEVICES = {
  'bus virtio-blk': 'virtio-blk-pci',
  'bus virtio-scsi': 'virtio-scsi-pci',
  'bus ide': 'ide-hd',
  'bus sata': 'ahci',
  'bus scsi': 'lsi53c895a',
  'bus nvme': 'nvme',
} as const

const TIMEOUT_MS = 10_000

/** What this qemu has: its version, the devices of each bus, the image formats, and which aio works in `directory`. */
export async function examineQemu(
  binary: string,
  directory: string,
  formats: readonly string[],
  aios: readonly string[],
): Promise<Finding[]> {
  const install = 'apt install qemu-system-x86'
  const version = await tryOut('qemu', install, () => readQemuVersion(binary))
  if (!version.can) return [version]
  const devices = await run(binary, ['-device', 'help'], { timeoutMs: TIMEOUT_MS })
  const buses = Object.entries(DEVICES).map(([subject, device]) =>
    tryOut(subject, install, async () => {
      if (!devices.includes(`"${device}"`))
        throw new KvmioError(`this qemu has no device ${device}`)
      return device
    }),
  )
  return [
    version,
    ...(await Promise.all(buses)),
    ...(await examineImages(directory, formats, aios)),
  ]
}

async function examineImages(
  directory: string,
  formats: readonly string[],
  aios: readonly string[],
): Promise<Finding[]> {
  const folder = await mkdtemp(join(directory, 'kvmio-doctor-'))
  try {
    const file = join(folder, 'disk.raw')
    await writeFile(file, '')
    await truncate(file, 2 ** 20)
    const install = 'apt install qemu-utils'
    return [
      ...(await Promise.all(
        formats.map((format) =>
          tryOut(`format ${format}`, install, async () => {
            await run('qemu-img', ['create', '-q', '-f', format, join(folder, format), '1M'], {
              timeoutMs: TIMEOUT_MS,
            })
            return 'an image could be made'
          }),
        ),
      )),
      ...(await Promise.all(
        aios.map((aio) =>
          tryOut(`aio ${aio}`, 'another kernel or qemu, or another aio', async () => {
            // -n: O_DIRECT, without which native is refused.
            const args = ['-f', 'raw', '-n', '-i', aio, '-c', 'read 0 4096', file]
            const output = await run('qemu-io', args, { timeoutMs: TIMEOUT_MS })
            if (!output.startsWith('read 4096/4096'))
              throw new KvmioError(output.split('\n')[0] || 'nothing was read')
            return '4 KiB were read with it'
          }),
        ),
      )),
    ]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
