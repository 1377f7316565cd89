import t from 'tap'
import { socketOf } from '../../src/discovery/qmp-socket.ts'

t.test('the socket that the config names for a vm', async (t) => {
  for (const [vm, sockets, expected] of [
    ['web', undefined, undefined],
    ['web', '/run/qmp/{vm}.sock', '/run/qmp/web.sock'],
    ['$&', '/run/{vm}/{vm}.sock', '/run/$&/$&.sock'],
    ['../web', '/run/qmp/{vm}.sock', undefined],
    ['web', { web: '/run/web.sock' }, '/run/web.sock'],
    ['db', { web: '/run/web.sock' }, undefined],
    ['constructor', {}, undefined],
  ] as const) {
    t.equal(socketOf(vm, sockets), expected, vm)
  }
})
