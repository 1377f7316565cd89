import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../src/lib/process.ts'

const PACKAGE = 'prometheus-node-exporter'

/** Where the peer is; its Debian package is downloaded and unpacked there once, never installed: it would start a daemon. */
export async function fetchNodeExporter(toolsDir: string): Promise<string> {
  const program = join(toolsDir, 'bin', PACKAGE)
  const there = await access(program).then(
    () => true,
    () => false,
  )
  if (there) return program
  await mkdir(join(toolsDir, 'bin'), { recursive: true })
  const work = await mkdtemp(join(toolsDir, '.unpack-'))
  try {
    // apt's own user cannot write below a private directory; without this it warns and does the same.
    const options = ['-q', '-o', 'APT::Sandbox::User=']
    await run('apt-get', ['download', ...options, PACKAGE], { cwd: work, timeoutMs: 60_000 })
    const [file] = await readdir(work)
    await run('dpkg', ['-x', join(work, file!), join(work, 'tree')])
    await rename(join(work, 'tree/usr/bin', PACKAGE), program)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return program
}
