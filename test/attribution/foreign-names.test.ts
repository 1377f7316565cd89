import t from 'tap'
import { managerOf, nameOf, uniqueNames } from '../../src/attribution/foreign-names.ts'
import { parseQemuCommandLine } from '../../src/source/qemu-command-line.ts'

function process(pid: number, startTicks: number, ...args: string[]) {
  const argv = ['/usr/bin/qemu-system-x86_64', ...args]
  return { pid, startTicks, argv, line: parseQemuCommandLine(argv) }
}

t.test('names and managers', async (t) => {
  const monitor = ['-mon', 'chardev=charmonitor,id=monitor,mode=control']
  for (const [name, manager, ...args] of [
    ['web', 'libvirt', '-name', 'guest=web,debug-threads=on', ...monitor],
    ['web', 'libvirt', '-name', 'guest=web', '-device', 'ide-hd,drive=libvirt-1-format'],
    ['100', 'proxmox', '-id', '100', '-name', 'vm1,debug-threads=on'],
    ['demo-1', 'other', '-name', 'guest=demo-1,debug-threads=on'],
    ['a, b', 'other', '-name', 'a,, b'],
    ['qemu-7-1234', 'other', '-hda', 'x.img'],
  ] as const) {
    const found = process(7, 1234, ...args)
    t.strictSame([nameOf(found), managerOf(found)], [name, manager], args.join(' '))
  }
})

t.test('each name once', async (t) => {
  const all = [
    process(30, 300, '-name', 'web'),
    process(10, 100, '-name', 'web'),
    process(20, 300, '-name', 'web'),
    process(40, 50, '-name', 'demo-1'),
    process(50, 50),
  ]
  t.strictSame(
    uniqueNames(all, new Set(['demo-1'])),
    new Map([
      [40, 'demo-1-40'],
      [50, 'qemu-50-50'],
      [10, 'web'],
      [20, 'web-20'],
      [30, 'web-30'],
    ]),
  )
})
