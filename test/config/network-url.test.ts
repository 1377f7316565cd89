import t from 'tap'
import { parseNetworkUrl, shownUrl, urlFor } from '../../src/config/network-url.ts'

const inet = (host: string, port: string) => ({ type: 'inet', host, port })

t.test('what qemu is told', async (t) => {
  const rows: [url: string, options: Record<string, unknown>, secret?: string][] = [
    ['nbd://host', { driver: 'nbd', server: inet('host', '10809') }],
    ['nbd://host:99/a%20b/c', { driver: 'nbd', server: inet('host', '99'), export: 'a b/c' }],
    ['nbd://[::1]/x', { driver: 'nbd', server: inet('::1', '10809'), export: 'x' }],
    [
      'nbd+unix:///?socket=/run/a.sock',
      { driver: 'nbd', server: { type: 'unix', path: '/run/a.sock' } },
    ],
    [
      'nbd+unix:///x?socket=/run/a%2Cb',
      { driver: 'nbd', server: { type: 'unix', path: '/run/a,b' }, export: 'x' },
    ],
    [
      'nfs://host/export/disk.raw?uid=1000&gid=0',
      {
        ...{ driver: 'nfs', server: { type: 'inet', host: 'host' }, path: '/export/disk.raw' },
        ...{ user: 1000, group: 0 },
      },
    ],
    [
      'iscsi://me@host/iqn.2001-04.com.example:disk/1',
      {
        ...{ driver: 'iscsi', transport: 'tcp', portal: 'host:3260' },
        ...{ target: 'iqn.2001-04.com.example:disk', lun: 1, user: 'me' },
      },
      'password-secret',
    ],
    [
      'iscsi://[fe80::1]:99/t/0',
      { driver: 'iscsi', transport: 'tcp', portal: '[fe80::1]:99', target: 't', lun: 0 },
      'password-secret',
    ],
    ['rbd://pool/image', { driver: 'rbd', pool: 'pool', image: 'image' }, 'key-secret'],
    [
      'rbd://admin@pool/ns/image?conf=/etc/ceph.conf',
      {
        ...{ driver: 'rbd', pool: 'pool', namespace: 'ns', image: 'image' },
        ...{ conf: '/etc/ceph.conf', user: 'admin' },
      },
      'key-secret',
    ],
    [
      'gluster://host/volume/a/b.raw',
      { driver: 'gluster', volume: 'volume', path: 'a/b.raw', server: [inet('host', '24007')] },
    ],
    [
      'gluster+unix:///volume/a?socket=/run/g',
      {
        ...{ driver: 'gluster', volume: 'volume', path: 'a' },
        server: [{ type: 'unix', path: '/run/g' }],
      },
    ],
  ]
  for (const [url, options, secret] of rows) {
    t.strictSame(
      parseNetworkUrl(url),
      { disk: { options, ...(secret === undefined ? {} : { secret }) } },
      url,
    )
  }
})

t.test('what it cannot be told', async (t) => {
  const urls = [
    ...['', 'host', '//host/x', 'nbd', 'nbd:host', 'NBD://host/x', 'toString://x', '__proto__://x'],
    ...['nbd://', 'nbd://user@host/x', 'nbd://host/x?a=b', 'nbd://host/x#y', 'nbd://host:port/'],
    ...['nbd://host/%zz', 'nbd://host/a b', 'nbd://ho st/a', 'nbd://host/\n', 'nbd+unix:///x'],
    ...['nbd+unix://host/x?socket=/a', 'nbd+unix:///x?socket=a', 'nfs://host', 'nfs://host/a//b'],
    ...['nfs://host/a?uid=root', 'nfs://me@host/a', 'iscsi://host/t', 'iscsi://host/t/a'],
    ...['iscsi://host/t/0/1', 'rbd://pool', 'rbd://pool:6789/image', 'rbd://pool/a/b/c'],
    ...['gluster://host/volume', 'gluster://me@host/volume/a', 'gluster+unix:///v/a', 'http://h/'],
  ]
  for (const url of urls) {
    const found = parseNetworkUrl(url)
    t.ok('problem' in found && found.problem.startsWith('expected '), url)
    t.notMatch('problem' in found && found.problem, /\n/)
  }
})

t.test('names of vms and drives in it', async (t) => {
  t.equal(urlFor('nbd://{vm}/{drive}-{vm}', 'a-1', 'root'), 'nbd://a-1/root-a-1')
})

t.test('a password is never shown', async (t) => {
  for (const url of [
    'nbd://me:secret@h/x',
    'iscsi://me:secret@h/t/0',
    'x://me:se/cret@h',
    '://:secret@',
  ])
    t.notMatch(`${shownUrl(url)} ${JSON.stringify(parseNetworkUrl(url))}`, /se\/?cret/, url)
  t.equal(shownUrl('nbd://me:secret@h/x'), '"nbd://me:***@h/x"')
})
