import { KvmioError, messageOf } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { type Probe, TRIAL_MS } from './finding.ts'
import { readQemuVersion } from './qemu.ts'

/** The devices that a bus is made of. */
const BUS_DEVICES: Readonly<Record<string, readonly string[]>> = {
  'virtio-blk': ['virtio-blk-pci'],
  'virtio-scsi': ['virtio-scsi-pci', 'scsi-hd'],
  ide: ['ide-hd'],
  sata: ['ahci', 'ide-hd'],
  scsi: ['lsi53c895a', 'scsi-hd'],
  pvscsi: ['pvscsi', 'scsi-hd'],
  nvme: ['nvme'],
}

const INSTALL = 'apt install qemu-system-x86'

/** What this qemu has: its version, the devices of each bus, the objects beside drives, accelerators, protocols. */
export function qemuProbes(
  binary: string,
  values: { buses: readonly string[]; protocols: readonly string[] },
): Probe[] {
  const helps = new Map<string, Promise<string>>()
  const help = (option: string): Promise<string> => {
    const text = helps.get(option) ?? run(binary, [option, 'help'], { timeoutMs: TRIAL_MS })
    helps.set(option, text)
    return text
  }
  const need = async (option: string, what: string, ...names: string[]): Promise<string> => {
    const words = new Set((await help(option)).split(/[\s",]+/))
    const missing = names.find((name) => !words.has(name))
    if (missing !== undefined) throw new KvmioError(`this qemu has no ${what} ${missing}`)
    return names.join(' and ')
  }
  const probe = (group: string, subject: string, trial: () => Promise<string>): Probe => ({
    group,
    subject,
    remedy: INSTALL,
    trial,
  })
  return [
    probe('qemu', 'qemu', () => readQemuVersion(binary)),
    {
      ...probe('accel', 'accel tcg', () => need('-accel', 'accelerator', 'tcg')),
      remedy: 'a qemu that was built with TCG, or accel: kvm',
    },
    ...values.buses.map((bus) =>
      probe('bus', `bus ${bus}`, async () => {
        const devices = BUS_DEVICES[bus]
        if (!devices) throw new KvmioError(`it is not known which devices of qemu make a ${bus}`)
        return await need('-device', 'device', ...devices)
      }),
    ),
    probe('drive', 'iothread', () => need('-object', 'object', 'iothread')),
    probe('drive', 'queues', async () => {
      const options = await run(binary, ['-device', 'virtio-blk-pci,help'], {
        timeoutMs: TRIAL_MS,
      })
      if (!options.includes('num-queues=')) throw new KvmioError('this qemu has no num-queues')
      return 'num-queues of virtio-blk-pci'
    }),
    probe('drive', 'throttle', () => need('-object', 'object', 'throttle-group')),
    probe('memory', 'balloon', () => need('-device', 'device', 'virtio-balloon-pci')),
    ...values.protocols.map((protocol) => protocolProbe(protocol)),
  ]
}

/**
 * Drivers can be modules, which `qemu-img --help` lists even where they are not installed: so one is asked to open
 * nothing, and complains of that, or of not being there.
 */
function protocolProbe(protocol: string): Probe {
  return {
    group: 'url',
    subject: `url ${protocol}`,
    remedy: 'apt install qemu-block-extra, or a qemu that was built with it',
    async trial() {
      const nothing = `json:${JSON.stringify({ driver: protocol })}`
      const said = await run('qemu-img', ['info', nothing], { timeoutMs: TRIAL_MS }).catch(
        messageOf,
      )
      if (/not installed/.test(said)) throw new KvmioError(said)
      if (/Unknown (driver|protocol)|failed to open module|module.* not found/i.test(said))
        throw new KvmioError(`this qemu has no driver ${protocol}`)
      return `driver ${protocol}`
    },
  }
}
