import t from 'tap'
import { run } from '../../../src/lib/process.ts'
import { workloadProblem } from '../../../src/study/plan.ts'
import { rampGuest, rampStudy } from '../../../src/study/ramp/workload.ts'
import { guest, study } from '../configs.ts'

t.test("a ramp's vms do what a study's do, or the ramp's own", async (t) => {
  const own = rampStudy('student')
  t.match(own, { guest: 'student', vms: 1, workload: { kind: 'script', to: 'device' } })
  t.equal(workloadProblem({ study: own, guest: rampGuest(guest()) }), undefined)
  const other = study({ workload: { kind: 'idle', time: 60 }, hostCache: 'cold', vms: 7 })
  t.match(rampStudy('student', other), {
    guest: 'student',
    vms: 1,
    hostCache: 'cold',
    workload: { kind: 'idle', time: 60 },
  })
})

t.test('the times between bursts are those of a Poisson process', async (t) => {
  const { workload } = rampStudy('student')
  const text = workload.kind === 'script' ? (workload.run ?? '') : ''
  const program = /'(\nfunction[\s\S]*?)'/
    .exec(text)?.[1]
    ?.replace('for (;;)', 'for (n = 0; n < 4000; n++)')
  const words = ['-v', 'seed=7', '-v', 'at=3.25', '-v', 'places=100', program ?? '']
  const lines = (await run('awk', words))
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number))
  const waits = lines.slice(1).map(([at], index) => (at! - lines[index]![0]!) / 100)
  const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length
  const deviation = Math.sqrt(
    waits.reduce((sum, wait) => sum + (wait - mean) ** 2, 0) / waits.length,
  )
  const longer = (seconds: number) => waits.filter((wait) => wait > seconds).length / waits.length
  t.ok(Math.abs(mean - 1) < 0.06, `mean ${mean}`)
  t.ok(Math.abs(deviation - 1) < 0.08, `standard deviation ${deviation}`)
  t.ok(Math.abs(longer(1) - Math.exp(-1)) < 0.03, `longer than one second ${longer(1)}`)
  t.ok(Math.abs(longer(3) - Math.exp(-3)) < 0.02, `longer than three seconds ${longer(3)}`)
  t.ok(lines.every(([, place]) => place! >= 0 && place! < 100))
  t.ok(new Set(lines.map(([, place]) => place)).size > 90, 'all over the drive')
})
