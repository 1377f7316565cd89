import { choice } from './problems.ts'

// A URL of a tier, and what qemu's drivers want in its place: https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html
// (BlockdevOptions). http and https are not among them: qemu's driver for them cannot write (block/curl.c).

/** The options of `-blockdev` for what a URL names. */
export interface NetworkDisk {
  options: { driver: string } & Record<string, unknown>
  /** The option that takes the id of a secret; absent where there are no passwords. */
  secret?: string
}

export type NetworkUrl = { disk: NetworkDisk } | { problem: string }

type Parse = (url: URL) => NetworkDisk

const SCHEMES: Record<string, { form: string; queries: string[]; parse: Parse }> = {
  nbd: { form: 'nbd://HOST[:PORT]/[EXPORT]', queries: [], parse: nbd },
  'nbd+unix': { form: 'nbd+unix:///[EXPORT]?socket=PATH', queries: ['socket'], parse: nbdUnix },
  nfs: { form: 'nfs://HOST/PATH[?uid=UID&gid=GID]', queries: ['uid', 'gid'], parse: nfs },
  iscsi: { form: 'iscsi://[USER@]HOST[:PORT]/TARGET/LUN', queries: [], parse: iscsi },
  rbd: { form: 'rbd://[USER@]POOL/[NAMESPACE/]IMAGE[?conf=PATH]', queries: ['conf'], parse: rbd },
  gluster: { form: 'gluster://HOST[:PORT]/VOLUME/PATH', queries: [], parse: gluster },
  'gluster+unix': {
    form: 'gluster+unix:///VOLUME/PATH?socket=PATH',
    queries: ['socket'],
    parse: glusterUnix,
  },
}

/** qemu's drivers that a tier's URL may ask for. */
export const NETWORK_DRIVERS = ['nbd', 'nfs', 'iscsi', 'rbd', 'gluster'] as const

/** What a URL names, in qemu's words. */
export function parseNetworkUrl(text: string): NetworkUrl {
  const scheme = /^([a-z+]+):\/\//.exec(text)?.[1] ?? ''
  const known = Object.hasOwn(SCHEMES, scheme) ? SCHEMES[scheme] : undefined
  if (!known) {
    const schemes = choice(Object.keys(SCHEMES).map((name) => `${name}://`))
    return { problem: `expected a URL that begins with ${schemes}, got ${shownUrl(text)}` }
  }
  const { form, queries, parse } = known
  const wrong = { problem: `expected ${form}, got ${shownUrl(text)}` }
  try {
    const url = new URL(text)
    if (url.password !== '') {
      return {
        problem:
          'expected a URL without a password, got one; write it to a file and name that in passwordFile',
      }
    }
    const strange = [...url.searchParams.keys()].some((key) => !queries.includes(key))
    if (strange || url.hash !== '' || /[\0-\x20\x7f]/.test(text)) return wrong
    return { disk: parse(url) }
  } catch (error) {
    if (error instanceof TypeError || error instanceof URIError) return wrong
    throw error
  }
}

/** A tier's URL for one drive of a vm. */
export function urlFor(template: string, vm: string, drive: string): string {
  return template.replaceAll('{vm}', vm).replaceAll('{drive}', drive)
}

/** The URL on one line, without a password. */
export function shownUrl(url: string): string {
  return JSON.stringify(url.replace(/^([a-z+]*:\/\/[^/@:]*):[^@]*@/i, '$1:***@').slice(0, 200))
}

function nbd(url: URL): NetworkDisk {
  nobody(url)
  return { options: { driver: 'nbd', server: inet(url, '10809'), ...exported(url) } }
}

function nbdUnix(url: URL): NetworkDisk {
  return { options: { driver: 'nbd', server: unix(url), ...exported(url) } }
}

function exported(url: URL): { export?: string } {
  const name = parts(url).join('/')
  return name === '' ? {} : { export: name }
}

function nfs(url: URL): NetworkDisk {
  nobody(url)
  const { host } = inet(url, '')
  const [user, group] = ['uid', 'gid'].map((key) => number(url.searchParams.get(key)))
  const ids = { ...(user === undefined ? {} : { user }), ...(group === undefined ? {} : { group }) }
  const path = `/${some(parts(url)).join('/')}`
  return { options: { driver: 'nfs', server: { type: 'inet', host }, path, ...ids } }
}

function iscsi(url: URL): NetworkDisk {
  const { host, port } = inet(url, '3260')
  const [target, lun, ...more] = parts(url)
  if (!target || lun === undefined || more.length > 0) throw new TypeError('no target and LUN')
  const portal = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const where = { driver: 'iscsi', transport: 'tcp', portal, target, lun: number(lun)! }
  return { options: { ...where, ...user(url) }, secret: 'password-secret' }
}

function rbd(url: URL): NetworkDisk {
  const names = parts(url)
  const image = names.at(-1)
  if (url.hostname === '' || url.port !== '' || !image || names.length > 2) {
    throw new TypeError('no pool and image')
  }
  const conf = url.searchParams.get('conf')
  const where = { driver: 'rbd', pool: decodeURIComponent(url.hostname), image }
  const more = {
    ...(names.length === 2 ? { namespace: names[0] } : {}),
    ...(conf === null ? {} : { conf }),
  }
  return { options: { ...where, ...more, ...user(url) }, secret: 'key-secret' }
}

function gluster(url: URL): NetworkDisk {
  nobody(url)
  return { options: { ...volume(url), server: [inet(url, '24007')] } }
}

function glusterUnix(url: URL): NetworkDisk {
  return { options: { ...volume(url), server: [unix(url)] } }
}

function volume(url: URL): { driver: string; volume: string; path: string } {
  const [volume, ...path] = some(parts(url))
  return { driver: 'gluster', volume: volume!, path: some(path).join('/') }
}

function inet(url: URL, port: string) {
  if (url.hostname === '') throw new TypeError('no host')
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1') // an IPv6 address
  return { type: 'inet', host: decodeURIComponent(host), port: url.port || port }
}

function unix(url: URL): { type: string; path: string } {
  const path = url.searchParams.get('socket')
  if (!path?.startsWith('/') || url.host !== '') throw new TypeError('no socket')
  return { type: 'unix', path }
}

/** Where a user has no place. */
function nobody(url: URL): void {
  if (url.username !== '') throw new TypeError('a user')
}

function user(url: URL): { user?: string } {
  return url.username === '' ? {} : { user: decodeURIComponent(url.username) }
}

function parts(url: URL): string[] {
  return url.pathname.replace(/^\//, '').split('/').map(decodeURIComponent)
}

function some(names: string[]): string[] {
  if (names.length === 0 || names.includes('')) throw new TypeError('an empty name')
  return names
}

function number(text: string | null): number | undefined {
  if (text === null) return undefined
  if (!/^\d{1,9}$/.test(text)) throw new TypeError('no number')
  return Number(text)
}
