import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parseFdinfo, readOpenFiles } from '../../src/source/open-files.ts'

// Of a qcow2 that qemu 7.2 had open to write to with cache=none, kernel 6.18.
const IMAGE = `pos:	0
flags:	02140002
mnt_id:	27
ino:	2195571
lock:	1: OFDLCK ADVISORY  READ -1 fe:00:2195571 100 101
lock:	2: OFDLCK ADVISORY  READ -1 fe:00:2195571 103 103
lock:	3: OFDLCK ADVISORY  READ -1 fe:00:2195571 201 201
lock:	4: POSIX  ADVISORY  WRITE 9 fe:00:2195571 0 EOF
`

t.test('what the kernel tells of an open file', async (t) => {
  const locks = [
    [100, 101],
    [103, 103],
    [201, 201],
    [0, Number.POSITIVE_INFINITY],
  ]
  const direct = process.arch === 'x64' || process.arch === 'ia32' // its bit differs by architecture
  t.strictSame(parseFdinfo(IMAGE), { writable: true, direct, mountId: 27, locks })
  const plain = 'pos:	0\nflags:	0100000\nmnt_id:	24\n'
  t.strictSame(parseFdinfo(plain), { writable: false, direct: false, mountId: 24, locks: [] })
})

t.test('what is none', async (t) => {
  for (const [text, message] of [
    ['', '/proc/PID/fdinfo/FD:1: flags: expected an octal number, found none'],
    ['pos:	0\nflags:	8\n', '/proc/PID/fdinfo/FD:2: flags: expected an octal number, got "8"'],
    ['flags:	02\nmnt_id:	x\n', '/proc/PID/fdinfo/FD:2: mnt_id: expected a whole number, got "x"'],
  ] as const) {
    t.throws(() => parseFdinfo(text), { name: 'ParseError', message })
  }
})

t.test('of this very process', async (t) => {
  const directory = t.testdir({ 'a.img': 'x', 'b c.img': 'x' })
  const files = [
    await open(join(directory, 'a.img'), 'r'),
    await open(join(directory, 'b c.img'), constants.O_RDWR | constants.O_DIRECT),
  ]
  t.teardown(() => Promise.all(files.map((file) => file.close())))
  const { files: found, hasKvmVm } = await readOpenFiles('/proc', process.pid)
  const own = found.filter(({ path }) => path.startsWith(`${directory}/`))
  t.match(own, [
    { path: join(directory, 'a.img'), fd: files[0]!.fd, writable: false, direct: false, locks: [] },
    { path: join(directory, 'b c.img'), fd: files[1]!.fd, writable: true, direct: true },
  ])
  t.equal(hasKvmVm, false)
  t.notOk(found.find(({ path }) => path === '/dev/null'))
  await t.rejects(readOpenFiles('/proc', 2 ** 22), { code: 'ENOENT' })
})
