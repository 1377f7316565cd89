// `apt-get update --print-uris` says where apt would read from, whatever its sources look like and with no lists fetched
// yet (`indextargets` is silent until they are): https://manpages.debian.org/apt-get
import { readFile } from 'node:fs/promises'
import { UnavailableError } from '../../lib/errors.ts'
import { run } from '../../lib/process.ts'

export interface Mirror {
  url: string
  /** The release of the distribution: `bookworm`. */
  suite: string
  /** The parts of the distribution that packages are taken from. */
  components: string[]
  distribution: 'debian' | 'ubuntu'
}

const COMPONENTS = { debian: ['main'], ubuntu: ['main', 'universe'] }
const LIST = 'mirror+file:' // https://manpages.debian.org/apt-transport-mirror: cloud images have it

/** Where apt on this host gets the packages of this host's own release from. */
export async function findMirror(
  osRelease = '/etc/os-release',
  signal?: AbortSignal,
): Promise<Mirror> {
  const { distribution, suite } = parseOsRelease(await readFile(osRelease, 'utf8'))
  const name = 'apt-get update --print-uris'
  const uris = await run('apt-get', ['update', '--print-uris'], { name, signal }).catch((error) => {
    signal?.throwIfAborted()
    throw new UnavailableError(`no package mirror: ${error.message}\n${REMEDY}`, { cause: error })
  })
  const site = findSite(uris, suite, distribution)
  if (site === undefined) {
    throw new UnavailableError(`no package mirror: apt has none for ${suite}\n${REMEDY}`)
  }
  const url = site.startsWith(LIST)
    ? firstMirror(await readFile(site.slice(LIST.length), 'utf8'))
    : site
  return { url, suite, components: COMPONENTS[distribution], distribution }
}

const REMEDY =
  "Systems are built with debootstrap from this host's own mirror: name one in /etc/apt/sources.list"

/** The distribution and its release. A host that is neither Debian nor Ubuntu builds Debian's stable release. */
export function parseOsRelease(text: string): Pick<Mirror, 'distribution' | 'suite'> {
  const value = (key: string) => new RegExp(`^${key}=["']?([^"'\\n]*)`, 'm').exec(text)?.[1]
  const distribution = value('ID') === 'ubuntu' ? 'ubuntu' : 'debian'
  return { distribution, suite: value('VERSION_CODENAME') || 'stable' }
}

/** The site that has the main part of a suite; before those of others, one that is called like the distribution. */
export function findSite(uris: string, suite: string, distribution: string): string | undefined {
  const sites = Array.from(
    uris.matchAll(/^'(\S+)\/dists\/(\S+?)\/main\/binary-/gm),
    ([, site, of]) => (of === suite ? site : undefined),
  ).filter((site) => site !== undefined)
  return sites.find((site) => site.endsWith(`/${distribution}`)) ?? sites[0]
}

/** The first mirror of a list; words behind a tab are its attributes. */
function firstMirror(list: string): string {
  return /^\s*([a-z]+:[^\s]+)/m.exec(list)?.[1] ?? list
}
