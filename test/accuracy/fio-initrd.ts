// The appliance's initial ramdisk with this host's fio and the libraries that it needs: the appliance has none of its own.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../../src/lib/process.ts'

/** Memory of a guest that unpacks it: 90 MB of libraries twice while they are unpacked, and fio maps 130 MiB. */
export const FIO_GUEST_MEMORY = '448MiB'

/** The kernel unpacks one archive over the other. */
export async function writeFioInitrd(file: string, initrd: string): Promise<void> {
  const fio = (await run('which', ['fio'])).trim()
  const libraries = (await run('ldd', [fio])).split('\n').flatMap((line) => {
    return /(\/\S+) \(0x/.exec(line)?.[1] ?? []
  })
  const work = await mkdtemp(join(tmpdir(), 'kvmio-fio-'))
  try {
    for (const path of [fio, ...libraries]) {
      await run('cp', ['--parents', '--dereference', path, work])
    }
    const names = await run('find', ['.'], { cwd: work })
    const args = ['-o', '-H', 'newc', '--owner=0:0', '--quiet', '-O', file]
    await run('cpio', args, { cwd: work, input: names })
    await writeFile(file, Buffer.concat([await readFile(initrd), await readFile(file)]))
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
