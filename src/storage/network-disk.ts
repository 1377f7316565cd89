// A disk that a server has, by one of qemu's network drivers; kvmio neither makes nor removes it.

import type { Backend } from '../attribution/records.ts'
import { parseNetworkUrl, shownUrl, urlFor } from '../config/network-url.ts'
import { KvmioError, messageOf, UnavailableError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { formatBytes } from '../lib/quantities.ts'
import { EXTRA_DRIVERS, qemuHasDriver } from '../source/qemu-drivers.ts'
import { missingPrograms } from './programs.ts'

const TIMEOUT_MS = 15_000
const SECRET = 'password'

type Target = Extract<Backend, { kind: 'url' }>

/** How large the tier's disk is, bytes, if its URL names one and not one for each vm or drive. */
export async function openTarget({ url, passwordFile }: Target): Promise<number | undefined> {
  const missing = await missingPrograms(['qemu-img'])
  if (missing !== undefined) throw new UnavailableError(missing)
  const { driver } = optionsOf(url).options
  if (!(await qemuHasDriver(driver))) {
    throw new UnavailableError(`this qemu has no driver ${driver}: apt install ${EXTRA_DRIVERS}`)
  }
  return urlFor(url, '', '') === url ? await sizeOf({ kind: 'url', url, passwordFile }) : undefined
}

/** Throws unless the server has a disk that is large enough. */
export async function checkTarget(target: Target, bytes: number): Promise<void> {
  const size = await sizeOf(target)
  if (size >= bytes) return
  const [has, wanted] = [size, bytes].map(formatBytes)
  throw new UnavailableError(
    `${plain(target.url)} has ${has}, and a drive of ${wanted} is asked for`,
  )
}

/** The URL as it may be shown: in metrics, logs, messages. */
export function plain(url: string): string {
  return JSON.parse(shownUrl(url))
}

async function sizeOf({ url, passwordFile }: Target): Promise<number> {
  const { options, secret } = optionsOf(url)
  const password =
    passwordFile === undefined || secret === undefined
      ? { args: [], option: {} }
      : {
          args: [
            '--object',
            JSON.stringify({ 'qom-type': 'secret', id: SECRET, file: passwordFile }),
          ],
          option: { [secret]: SECRET },
        }
  const node = { driver: 'raw', file: { ...options, ...password.option } }
  const name = `json:${JSON.stringify(node)}`
  const args = ['info', '--output=json', ...password.args, name]
  const text = await run('qemu-img', args, { timeoutMs: TIMEOUT_MS }).catch((error) => {
    const said = messageOf(error).replaceAll(`Could not open '${name}': `, '').split('\n')
    const reason = (said.at(-1) ?? '').trim().replace(/^qemu-img: /, '')
    throw new UnavailableError(`${plain(url)} cannot be opened: ${reason}`, { cause: error })
  })
  const size = (JSON.parse(text) as Record<string, unknown>)['virtual-size']
  if (typeof size === 'number') return size
  throw new KvmioError(`qemu-img info: expected a virtual-size, got ${JSON.stringify(text)}`)
}

function optionsOf(url: string) {
  const found = parseNetworkUrl(urlFor(url, 'vm', 'drive'))
  if ('problem' in found) throw new KvmioError(found.problem)
  return found.disk
}
