import t from 'tap'
import { measureOf, measureProblems, phasesOf } from '../../src/config/phases.ts'
import { study } from '../study/configs.ts'

t.test('a study is measured by what its workload is about', async (t) => {
  t.equal(measureOf(study()), 'write')
  t.equal(measureOf(study({ workload: { kind: 'idle', time: 1 } })), 'tps')
  t.equal(measureOf(study({ measure: 'boot' })), 'boot')
})

t.test('an installation is all that the installer does', async (t) => {
  t.strictSame(phasesOf('install'), [
    'partition',
    'mkfs',
    'unpack',
    'configure',
    'bootloader',
    'install',
  ])
  t.strictSame(phasesOf('write'), ['write'])
})

t.test('a measure that no run has', async (t) => {
  t.strictSame(measureProblems('write', 'boot-write-shutdown'), [])
  t.strictSame(measureProblems('tps', 'idle'), [])
  t.strictSame(measureProblems('my-phase', 'script'), [], 'a script may have any')
  t.match(measureProblems('wirte', 'boot-write-shutdown'), [
    {
      path: ['measure'],
      message:
        'expected a phase of boot-write-shutdown or tps: boot, prepare, write, settle, shutdown or tps, got "wirte"; did you mean write?',
    },
  ])
})
