import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { findMirror, findSite, parseOsRelease } from '../../../src/guest/systems/mirror.ts'

t.test('the release of a host', async (t) => {
  const table: [text: string, distribution: string, suite: string][] = [
    ['NAME="Debian GNU/Linux"\nVERSION_CODENAME=bookworm\nID=debian\n', 'debian', 'bookworm'],
    ['ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n', 'ubuntu', 'noble'],
    ['ID="fedora"\nVERSION_CODENAME=""\n', 'debian', 'stable'],
    ['', 'debian', 'stable'],
  ]
  for (const [text, distribution, suite] of table) {
    t.strictSame(parseOsRelease(text), { distribution, suite })
  }
})

t.test('the mirror of a suite among what apt reads', async (t) => {
  const uris = [
    'https://example.org/apt/dists/nodistro/main/binary-amd64/Packages.xz',
    'https://tools.example.org/dists/bookworm/main/binary-amd64/Packages.xz',
    'http://mirror.example.org/debian/dists/bookworm-updates/main/binary-amd64/Packages.xz',
    'http://mirror.example.org/debian/dists/bookworm/contrib/binary-amd64/Packages.xz',
    'http://mirror.example.org/debian/dists/bookworm/main/binary-amd64/Packages.xz',
  ]
  const text = uris.map((uri) => `'${uri}' name 0 \n`).join('')
  t.equal(findSite(text, 'bookworm', 'debian'), 'http://mirror.example.org/debian')
  t.equal(findSite(text, 'bookworm', 'ubuntu'), 'https://tools.example.org')
  t.equal(findSite(text, 'trixie', 'debian'), undefined)
  t.equal(findSite('', 'bookworm', 'debian'), undefined)
})

t.test('a host whose apt reads a list of mirrors', async (t) => {
  const directory = t.testdir({
    'os-release': 'ID=debian\nVERSION_CODENAME=trixie\n',
    list: '# nearest first\nhttps://one.example.org/debian\tpriority:1\nhttps://two.example.org/debian\n',
  })
  await useSources(`deb mirror+file:${directory}/list trixie main`)
  t.strictSame(await findMirror(`${directory}/os-release`), {
    url: 'https://one.example.org/debian',
    suite: 'trixie',
    components: ['main'],
    distribution: 'debian',
  })

  await useSources('deb https://one.example.org/debian bookworm main')
  await t.rejects(findMirror(`${directory}/os-release`), {
    name: 'UnavailableError',
    message:
      'no package mirror: apt has none for trixie\n' +
      "Systems are built with debootstrap from this host's own mirror: name one in /etc/apt/sources.list",
  })

  async function useSources(line: string): Promise<void> {
    process.env.APT_CONFIG = join(directory, 'apt.conf')
    t.teardown(() => delete process.env.APT_CONFIG)
    await writeFile(join(directory, 'sources.list'), `${line}\n`)
    await writeFile(
      process.env.APT_CONFIG,
      `Dir::Etc::SourceList "${directory}/sources.list"; Dir::Etc::SourceParts "-";`,
    )
  }
})
