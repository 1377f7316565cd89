import t from 'tap'
import { mkfsProblem, mountProblem } from '../../src/config/filesystem-options.ts'
import { mkfsArgs } from '../../src/storage/mkfs.ts'

const uuid = '7545ba84-8c1a-4a3a-bcdd-68e3db4f3a03'
const LAZY_OFF = 'lazy_itable_init=0,lazy_journal_init=0,nodiscard'

t.test("the config's words stand beside kvmio's own", async (t) => {
  const args = (type: Parameters<typeof mkfsArgs>[0]['type'], words: string[], id?: string) =>
    mkfsArgs({ type, name: 'sata', words, path: '/disk', ...(id ? { uuid: id } : {}) }).join(' ')
  t.equal(args('ext4', []), `-q -F -E ${LAZY_OFF} -L kvmio-sata /disk`)
  t.equal(
    args('ext3', ['-b', '1024', '-E', 'stride=4', '-O', '^dir_index'], uuid),
    `-q -F -E ${LAZY_OFF},stride=4 -L kvmio-sata -U ${uuid} -b 1024 -O ^dir_index /disk`,
  )
  t.equal(
    args('xfs', ['-m', 'reflink=0'], uuid),
    `-q -f -K -L kvmio-sata -m uuid=${uuid} -m reflink=0 /disk`,
  )
  t.equal(args('btrfs', ['-M'], uuid), `-q -f -K -L kvmio-sata -U ${uuid} -M /disk`)
  t.equal(
    args('reiserfs', ['--format', '3.6'], uuid),
    `-q -f -f -l kvmio-sata -u ${uuid} --format 3.6 /disk`,
  )
})

t.test('no word can name another device, and no option another place', async (t) => {
  const words: Record<string, string[][]> = {
    ext4: [
      ['/dev/sda'],
      ['sda'],
      ['-b', '1024', 'sda'],
      ['-J', 'device=sda'],
      ['-b', '-F'],
      ['-n'],
    ],
    xfs: [['-l', 'logdev=sda'], ['-d', 'file,name=a'], ['-f'], ['-m', 'uuid=1'], ['-p', 'x']],
    btrfs: [
      ['-d', '/dev/sda'],
      ['-r', 'folder'],
      ['-U', 'x'],
      ['-d', 'a b'],
    ],
    reiserfs: [['-j', 'sda'], ['-B', 'file'], ['-f'], ['-u', 'x']],
  }
  for (const [type, lists] of Object.entries(words)) {
    for (const list of lists) t.ok(mkfsProblem(type as 'ext4', list), `${type} ${list.join(' ')}`)
  }
  t.equal(mkfsProblem('ext4', ['-J', 'size=8', '-D', '-O', 'metadata_csum,64bit']), undefined)
  t.equal(mkfsProblem('btrfs', ['--csum', 'xxhash', '-O', 'quota', '-M']), undefined)
  const wrong = [
    'ro',
    'a,b',
    'a b',
    '',
    'exec',
    'x-mount.mkdir',
    'X-a',
    'logdev=a',
    'o="a"',
    'a=/b',
  ]
  for (const option of [...wrong, 'remount', 'bind', 'user', 'nouser', 'context=a', 'subvol=x'])
    t.ok(mountProblem(option), option)
  const good = ['sync', 'data=journal', 'data=ordered', 'data=writeback', 'barrier', 'barrier=0']
  for (const option of [...good, 'noatime', 'compress=zstd:3', 'commit=30', 'logbsize=256k'])
    t.equal(mountProblem(option), undefined, option)
})
