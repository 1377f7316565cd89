import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../../src/lib/errors.ts'
import { type Contender, repetition, timed } from '../duel.ts'
import { type Exporter, seriesOf, startExporter } from '../exporter.ts'
import type { Part } from '../part.ts'
import { startKvmio } from '../scrape.ts'
import { type Libvirtd, startLibvirtd } from './libvirtd.ts'
import { guestOf } from './names.ts'
import { type Measured, reportOf } from './report.ts'

const COUNTS = (process.env.KVMIO_BENCH_GUESTS ?? '1,30,100,300').split(',').map(Number)
const REPETITIONS = 5
const REPETITION_MS = 3_000
const MAX_REQUESTS = 100
const MIN_REQUESTS = 3
const LAUNCH_MS = 400_000
const DISCOVERY_MS = 60_000
const POLL_MS = 500

/**
 * The same number of idle guests: kvmio's own, with QMP and all that kvmio has of them, and those of a real libvirtd,
 * as its exporter sees them and as kvmio's discovery does, which has no QMP of them.
 */
export const libvirt: Part = {
  name: 'libvirt',
  minutes: 9,

  async run(signal) {
    const directory = await mkdtemp(join(tmpdir(), 'kvmio-bench-'))
    const measured: Measured[] = []
    const notes: string[] = []
    try {
      await using libvirtd = await startLibvirtd(directory, signal)
      await using exporter = await startPeer(libvirtd, signal)
      const peer = { exporter, pids: [exporter.pid, libvirtd.pid] }
      for (const guests of COUNTS) {
        try {
          await libvirtd.grow(guests)
          measured.push(await besideOwn(guests, peer, { directory, signal }))
          measured.push(...(await besideDiscovered(guests, peer, { directory, signal }, notes)))
        } catch (error) {
          signal.throwIfAborted()
          notes.push(`${guests} guests do not fit here: ${messageOf(error)}`)
          break
        }
      }
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
    return reportOf(measured, notes)
  },
}

function startPeer({ namespace: { enter } }: Libvirtd, signal: AbortSignal): Promise<Exporter> {
  const program = 'prometheus-libvirt-exporter'
  return startExporter({
    file: enter.file,
    args: (address) => [...enter.args, program, `--web.listen-address=${address}`],
    path: '/metrics',
    signal,
  })
}

interface Setting {
  directory: string
  signal: AbortSignal
}

async function besideOwn(
  guests: number,
  peer: Contender,
  { directory, signal }: Setting,
): Promise<Measured> {
  const config = await configIn(join(directory, `own-${guests}`), {
    tiers: { local: { directory: 'state/local' } },
  })
  const program = join(import.meta.dirname, 'idle-kvmio.ts')
  await using exporter = await startExporter({
    file: process.execPath,
    args: (address) => [program, config, address, String(guests)],
    path: '/metrics',
    startMs: LAUNCH_MS,
    signal,
  })
  return await measure('own', guests, exporter, peer)
}

async function besideDiscovered(
  guests: number,
  peer: Contender,
  { directory, signal }: Setting,
  notes: string[],
): Promise<Measured[]> {
  try {
    const config = await configIn(join(directory, `discovery-${guests}`), {
      discovery: { qemu: true },
    })
    await using exporter = await startKvmio({ config, startMs: 60_000, signal })
    return [await measure('discovered', guests, exporter, peer)]
  } catch (error) {
    signal.throwIfAborted()
    notes.push(`kvmio's discovery of ${guests} guests of libvirt: ${messageOf(error)}`)
    return []
  }
}

async function configIn(directory: string, keys: object): Promise<string> {
  await mkdir(join(directory, 'state/local'), { recursive: true })
  const file = join(directory, 'kvmio.yaml')
  await writeFile(file, JSON.stringify({ state: 'state', ...keys }))
  return file
}

async function measure(
  kind: Measured['kind'],
  guests: number,
  exporter: Exporter,
  peer: Contender,
): Promise<Measured> {
  const kvmio = { exporter, pids: [exporter.pid] }
  await pageWith(exporter, 'vm', guests)
  await pageWith(peer.exporter, 'domain', guests)
  const once = (await timed(exporter)) + (await timed(peer.exporter))
  const requests = Math.min(MAX_REQUESTS, Math.max(MIN_REQUESTS, Math.round(REPETITION_MS / once)))
  await repetition(kvmio, peer, requests)
  const costs: Measured['costs'] = []
  for (let count = 0; count < REPETITIONS; count++) {
    costs.push(await repetition(kvmio, peer, requests))
  }
  // In the end, when what is read at a slow pace is there too.
  return { kind, guests, costs, pages: [await exporter.scrape(), await peer.exporter.scrape()] }
}

/** The exporter's page, once it has all guests: one that was discovered may come a moment later. */
async function pageWith(exporter: Exporter, label: string, guests: number): Promise<string> {
  const deadline = Date.now() + DISCOVERY_MS
  for (;;) {
    const page = await exporter.scrape()
    const names = new Set(seriesOf(page).map((line) => guestOf(line, label)))
    names.delete(undefined)
    if (names.size >= guests) return page
    if (Date.now() > deadline) {
      throw new Error(`expected ${guests} guests on the page, got ${names.size}`)
    }
    await sleep(POLL_MS)
  }
}
