// A directory on a server: NFS 4.2 over loopback, with the kernel's own server, as far as kvmio knows somewhere else.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { run } from '../../src/lib/process.ts'
import { journal, nothingLeft, says, writes } from '../e2e/kvmio.ts'
import { DISK, labGuest, labHome, mountDisk, OUTPUT, pageWhere, startStudy } from './inside.ts'

const EXPORT = '/srv/export'
const PLACE = '/srv/nfs'
const WRITTEN = 4 * 2 ** 20

await mountDisk(t, EXPORT)
await serveNfs(t)

const CONFIG = {
  tiers: { server: { directory: PLACE } },
  guests: { small: labGuest('server') },
  studies: {
    served: { guest: 'small', pause: '0s', workload: writes('4MiB', '64KiB', '30s') },
  },
}

t.test('a directory tier on NFS', async (t) => {
  const home = await labHome(t, CONFIG)
  const before = await bytesSent()
  const started = await startStudy(home, 'served')
  const vm = 'served-only-1'
  await says(started, `${vm}: settle at`)
  const sent = (await bytesSent()) - before
  t.ok(sent >= WRITTEN, `the client sent ${sent} bytes`)
  const page = await pageWhere(started, 'nfs', () => true)
  await writeFile(join(OUTPUT, 'mountstats'), await readFile('/proc/self/mountstats'))
  const tier = page.all('kvmio_tier_info').find(({ labels }) => labels.tier === 'server')
  t.match(tier, { labels: { kind: 'directory', filesystem: 'nfs4' } })
  const shown = page.value('kvmio_tier_client_written_bytes_total', { tier: 'server' }) ?? 0
  t.ok(shown >= WRITTEN && shown < 2 * WRITTEN, `kvmio shows ${shown} bytes of the client`)
  const requests = page.value('kvmio_tier_client_writes_completed_total', { tier: 'server' }) ?? 0
  t.ok(requests >= 4 && requests <= 200, `in ${requests} requests`)
  const shares = page.all('kvmio_vm_device_written_bytes_total')
  t.strictSame(
    shares.filter(({ labels }) => labels.vm === vm && labels.device === DISK.name),
    [],
    "what the server's disk does is no share of the vm's",
  )
  const { code, stderr } = await started.end()
  t.equal(code, 0, stderr)
  t.match(journal(home)[0], { outcome: 'passed' })
  await nothingLeft(t, home)
})

/** Exports the directory to this host itself and mounts it; version 4 alone needs no port mapper. */
async function serveNfs(t: Test): Promise<void> {
  await mkdir(PLACE, { recursive: true })
  await run('modprobe', ['nfsd'])
  await run('mount', ['-t', 'nfsd', 'nfsd', '/proc/fs/nfsd'])
  // Else nobody may open a file for the first minute and a half, in which clients of a server before could come back.
  for (const name of ['nfsv4leasetime', 'nfsv4gracetime']) {
    await writeFile(`/proc/fs/nfsd/${name}`, '10')
  }
  await run('exportfs', ['-o', 'rw,no_root_squash,insecure,fsid=0', `127.0.0.1:${EXPORT}`])
  await run('rpc.mountd', ['--no-nfs-version', '3'])
  await run('rpc.nfsd', ['--no-nfs-version', '3', '--host', '127.0.0.1', '2'])
  await run('mount', ['-t', 'nfs', '-o', 'vers=4.2', '127.0.0.1:/', PLACE])
  t.teardown(async () => {
    await run('umount', [PLACE])
    await run('rpc.nfsd', ['0'])
    await run('exportfs', ['-ua'])
  })
}

/** What the mount has written to its server: https://www.kernel.org/doc/html/latest/filesystems/nfs/index.html, `bytes:`. */
async function bytesSent(): Promise<number> {
  const text = await readFile('/proc/self/mountstats', 'utf8')
  const mount = text.split(/^device /m).find((part) => part.includes(` mounted on ${PLACE} `)) ?? ''
  return Number(/^\s*bytes:\s+(.*)$/m.exec(mount)?.[1]?.split(' ')[5])
}
