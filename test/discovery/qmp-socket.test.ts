import t from 'tap'
import { socketOf } from '../../src/discovery/qmp-socket.ts'
import { parseQemuCommandLine } from '../../src/source/qemu-command-line.ts'

t.test('the socket that the config names for a vm', async (t) => {
  const of = (name: string, sockets: Parameters<typeof socketOf>[1]) => {
    const argv = ['qemu-system-x86_64', '-name', name]
    return socketOf({ pid: 7, startTicks: 9, argv, line: parseQemuCommandLine(argv) }, sockets)
  }
  t.equal(of('web', undefined), undefined)
  t.equal(of('web', '/run/qmp/{vm}.sock'), '/run/qmp/web.sock')
  t.equal(of('$&', '/run/{vm}/{vm}.sock'), '/run/$&/$&.sock')
  t.equal(of('../web', '/run/qmp/{vm}.sock'), undefined, 'a name leads to no other folder')
  t.equal(of('web', { web: '/run/web.sock' }), '/run/web.sock')
  t.equal(of('db', { web: '/run/web.sock' }), undefined)
  t.equal(of('constructor', {}), undefined)
})
