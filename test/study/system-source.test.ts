import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { UnavailableError } from '../../src/lib/errors.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { planCases } from '../../src/study/plan.ts'
import { systemSource, withSystem } from '../../src/study/system-source.ts'
import { drive, guest, study } from './configs.ts'

const skip = (await missingPrograms(['qemu-img'])) ?? false
const { signal } = new AbortController()

t.test('where the system on a drive comes from, and why it cannot', { skip }, async (t) => {
  const directory = t.testdir()
  const image = join(directory, 'disk.img')
  execFileSync('qemu-img', ['create', '-q', '-f', 'raw', image, '1G'])
  const built = { debian: async () => ({ image }) }
  const debian = guest({ system: 'debian' })
  t.strictSame(await systemSource(debian, built, signal), { path: image, format: 'raw' })
  t.equal(await systemSource(guest(), built, signal), undefined)
  const own = guest({ system: { image, format: 'raw', seed: 'none' } })
  t.strictSame(await systemSource(own, built, signal), { path: image, format: 'raw' })

  const skipOf = async (varied: typeof debian, context = built) => {
    const [point] = planCases(study(), varied)
    return (await withSystem(point!, context, signal)).skip
  }
  t.equal(await skipOf(debian), undefined)
  const unavailable = {
    debian: async () => {
      throw new UnavailableError('no package mirror')
    },
  }
  t.equal(await skipOf(debian, unavailable), 'no package mirror')
  const narrow = { ...own, drives: { root: drive({ size: 2 ** 29 }) } }
  t.equal(
    await skipOf(narrow),
    `drive root: expected at least 1 GiB, the virtual size of ${image}, got 512 MiB`,
  )
  const gone = guest({ system: { image: join(directory, 'gone'), format: 'raw', seed: 'none' } })
  t.match(await skipOf(gone), /^qemu-img exited with code 1:\n.*gone': No such file or directory/)
})
