import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { removeOrphanVms } from '../../src/guest/orphans.ts'
import { connectQmp } from '../../src/guest/qemu-process.ts'
import {
  addToCgroup,
  createCgroup,
  findIoHierarchy,
  removeCgroup,
} from '../../src/source/cgroup.ts'
import { isSameProcess } from '../../src/source/proc.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { BINARY, planOf, startPaused, vmsFolder } from './vm-plan.ts'

const lack = (await missingPrograms([BINARY])) ?? false

function alive({ pid, startTicks }: { pid: number; startTicks: number }): Promise<boolean> {
  return isSameProcess('/proc', pid, startTicks)
}

t.test('ends what no run owns, and nothing else', { skip: lack }, async (t) => {
  const vmsDir = await vmsFolder(t)
  const other = await vmsFolder(t)
  const [kept, orphan, foreign] = await Promise.all([
    startPaused(t, planOf(vmsDir, 'kept-1')),
    startPaused(t, planOf(vmsDir, 'orphan-1')),
    startPaused(t, planOf(other, 'orphan-1')),
  ])
  await mkdir(join(vmsDir, 'failed-1'))
  await writeFile(join(vmsDir, 'failed-1/console.log'), 'panic')
  const keep = new Set(['kept-1'])
  // Its socket on the command line is what it is known by, so it counts from the start.
  const removed = await removeOrphanVms({ procRoot: '/proc', vmsDir, keep })
  t.strictSame(removed.sort(), [
    `ended qemu of vm orphan-1 (pid ${orphan.pid})`,
    'removed the folder of vm failed-1',
    'removed the folder of vm orphan-1',
  ])
  t.strictSame([await alive(kept), await alive(orphan), await alive(foreign)], [true, false, true])
  t.strictSame(await readdir(vmsDir), ['kept-1'])
  t.strictSame(await readdir(other), ['orphan-1'])
  const again = await removeOrphanVms({ procRoot: '/proc', vmsDir, keep })
  t.strictSame(again, [], 'the second time there is nothing to do')
  const qmp = await connectQmp(planOf(vmsDir, 'kept-1'), kept, '/proc', 5000)
  t.match(await qmp.command('query-status'), { status: 'prelaunch' }, 'what was kept still answers')
  qmp.close()
})

t.test('a state directory with odd letters', { skip: lack }, async (t) => {
  const vmsDir = await vmsFolder(t, 'v,m(s).+')
  const orphan = await startPaused(t, planOf(vmsDir, 'a-1'))
  const removed = await removeOrphanVms({ procRoot: '/proc', vmsDir, keep: new Set() })
  t.strictSame(removed, [
    `ended qemu of vm a-1 (pid ${orphan.pid})`,
    'removed the folder of vm a-1',
  ])
  t.equal(await alive(orphan), false)
})

t.test('a folder that is not there', async (t) => {
  const options = { procRoot: '/proc', vmsDir: '/no/such/vms', keep: new Set<string>() }
  t.strictSame(await removeOrphanVms(options), [])
})

const hierarchy = process.geteuid?.() === 0 ? await findIoHierarchy('/proc') : undefined
const noCgroups = hierarchy ? lack : 'needs root and an I/O cgroup hierarchy'
t.test('with its cgroup', { skip: noCgroups }, async (t) => {
  if (!hierarchy) return
  const cgroup = `kvmio-test-${process.pid}`
  t.teardown(() => removeCgroup(hierarchy, cgroup))
  const vmsDir = await vmsFolder(t)
  const orphan = await startPaused(t, planOf(vmsDir, 'a-1'))
  await createCgroup(hierarchy, `${cgroup}/a-1`)
  await createCgroup(hierarchy, `${cgroup}/kept-1`)
  await addToCgroup(hierarchy, `${cgroup}/a-1`, orphan.pid)
  await removeOrphanVms({ procRoot: '/proc', vmsDir, hierarchy, cgroup, keep: new Set() })
  const left = await readdir(join(hierarchy.root, cgroup), { withFileTypes: true })
  t.strictSame(
    left.filter((entry) => entry.isDirectory()).map(({ name }) => name),
    ['kept-1'],
  )
})
