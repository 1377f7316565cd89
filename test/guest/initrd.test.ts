import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { cpioArchive, writeInitrd } from '../../src/guest/initrd.ts'
import { run } from '../../src/lib/process.ts'
import { missingPrograms } from '../../src/storage/programs.ts'

const skip = (await missingPrograms(['cpio'])) ?? false

t.test('cpio reads what was written', { skip }, async (t) => {
  const name = fc.stringMatching(/^[\w-]{1,30}(\.[\w-]{1,9})?$/)
  const files = fc.uniqueArray(fc.record({ name, content: fc.uint8Array({ maxLength: 300 }) }), {
    selector: ({ name }) => name,
    maxLength: 5,
  })
  let count = 0
  await fc.assert(
    fc.asyncProperty(files, async (files) => {
      const into = join(t.testdir(), String(count++))
      await mkdir(into)
      const input = cpioArchive(files)
      await run('cpio', ['-i', '--quiet'], { cwd: into, input })
      const found = await readdir(into)
      if (found.length !== files.length) return false
      const same = files.map(async ({ name, content }) =>
        (await readFile(join(into, name))).equals(Buffer.from(content)),
      )
      return (await Promise.all(same)).every(Boolean)
    }),
    { numRuns: 30 },
  )
})

t.test('files stand behind an initrd, at a multiple of four bytes', async (t) => {
  const directory = t.testdir({ initrd: 'x'.repeat(13), ks: 'text\n' })
  const [initrd, ks, output] = ['initrd', 'ks', 'out'].map((name) => join(directory, name))
  await writeInitrd(output!, { kernel: '/k', initrd, append: '', files: { 'ks.cfg': ks! } })
  const written = await readFile(output!)
  t.equal(written.toString('latin1', 0, 22), `${'x'.repeat(13)}\0\0\x00070701`)
  t.ok(
    written.subarray(16).equals(cpioArchive([{ name: 'ks.cfg', content: Buffer.from('text\n') }])),
  )
  await writeFile(output!, '')
  await writeInitrd(output!, { kernel: '/k', append: '', files: { 'ks.cfg': ks! } })
  t.equal((await readFile(output!)).toString('latin1', 0, 6), '070701', 'one of its own')
  await t.rejects(
    writeInitrd(output!, {
      kernel: '/k',
      append: '',
      files: { 'ks.cfg': join(directory, 'gone') },
    }),
    { code: 'ENOENT' },
  )
})
