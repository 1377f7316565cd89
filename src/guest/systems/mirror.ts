// https://manpages.debian.org/apt-get: `indextargets` says what apt reads from where, whatever its sources look like.
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
  const args = ['indextargets', '--format', '$(SITE) $(RELEASE) $(COMPONENT)']
  const targets = await run('apt-get', [...args, 'Created-By: Packages'], {
    name: 'apt-get indextargets',
    signal,
  }).catch((error) => {
    signal?.throwIfAborted()
    throw new UnavailableError(`no package mirror: ${error.message}\n${REMEDY}`, { cause: error })
  })
  const site = findSite(targets, suite)
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

/** The site of the main part of a suite in the lines of `apt-get indextargets`. */
export function findSite(targets: string, suite: string): string | undefined {
  const lines = targets.split('\n').map((line) => line.split(' '))
  return lines.find(([, release, part]) => release === suite && part === 'main')?.[0]
}

/** The first mirror of a list; words behind a tab are its attributes. */
function firstMirror(list: string): string {
  return /^\s*([a-z]+:[^\s]+)/m.exec(list)?.[1] ?? list
}
