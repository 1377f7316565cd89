import { mkdtemp, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { run, startProcess } from '../../src/lib/process.ts'

const POLL_MS = 20

/** A view of this host with the files of a tree over its own, which nothing outside sees. */
export interface Namespace extends AsyncDisposable {
  /** What a program is started with, to be in it. */
  enter: { file: string; args: readonly string[] }
  /** Its root, as this process can reach it. */
  root: string
  run(file: string, args: readonly string[], timeoutMs?: number): Promise<string>
}

/**
 * libvirtd has its folders compiled in. In a mount namespace of its own, /etc and /var are this host's with a layer in
 * memory over them, /usr is with the tree's under it, and /run is empty: what is written there is gone with the last
 * process in it. https://docs.kernel.org/filesystems/overlayfs.html
 */
export async function createNamespace(tree: string): Promise<Namespace> {
  const box = await mkdtemp(join(tmpdir(), 'kvmio-box-'))
  const holder = startProcess({
    // Of a session of its own: Ctrl-C is for the benchmark, which then takes this down in its order.
    file: 'setsid',
    args: ['unshare', '--mount', '--propagation', 'private', 'sleep', 'infinity'],
  })
  const enter = {
    file: 'setsid',
    args: ['nsenter', `--mount=/proc/${holder.pid}/ns/mnt`, '--'],
  }
  const inside = (file: string, args: readonly string[], timeoutMs = 30_000) =>
    run(enter.file, [...enter.args, file, ...args], { timeoutMs })
  const close = async () => {
    await holder.stop()
    await rm(box, { recursive: true, force: true })
  }
  try {
    await entered(holder.pid)
    await inside('mount', ['-t', 'tmpfs', 'kvmio-bench', box])
    const layer = async (path: string, lower: string[]) => {
      const [upper, work] = ['upper', 'work'].map((name) => join(box, path, name)) as [
        string,
        string,
      ]
      for (const folder of [upper, work]) await inside('mkdir', ['-p', folder])
      const options = `lowerdir=${lower.join(':')},upperdir=${upper},workdir=${work}`
      await inside('mount', ['-t', 'overlay', 'kvmio-bench', '-o', options, path])
    }
    await layer('/usr', [join(tree, 'usr'), '/usr'])
    await layer('/etc', [join(tree, 'etc'), '/etc'])
    await layer('/var', ['/var'])
    await inside('mount', ['-t', 'tmpfs', 'kvmio-bench', '/run'])
  } catch (error) {
    await close()
    throw error
  }
  return { enter, root: `/proc/${holder.pid}/root`, run: inside, [Symbol.asyncDispose]: close }
}

/** Waits until the holder has left this process's own namespace. */
async function entered(pid: number): Promise<void> {
  const own = await readlink('/proc/self/ns/mnt')
  for (let waited = 0; waited < 5_000; waited += POLL_MS) {
    const its = await readlink(`/proc/${pid}/ns/mnt`).catch(() => own)
    if (its !== own) return
    await sleep(POLL_MS)
  }
  throw new Error('unshare has made no mount namespace in 5 s; is this root?')
}
