import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { figure, median, range } from './comparison.ts'
import { timed } from './duel.ts'
import { type Exporter, seriesOf } from './exporter.ts'
import { createHome, LOCAL } from './home.ts'
import type { Part, PartResult } from './part.ts'
import { cpuSecondsOf, residentBytesOf } from './process-cost.ts'
import { startKvmio } from './scrape.ts'
import { aligned } from './table.ts'

const GUESTS = Number(process.env.KVMIO_BENCH_WORKING ?? 20)
const READY_MS = 300_000
const PACE_MS = 5_000
const SCRAPES = 18 // of which the first three warm up
const WARM_UP = 3
const MIB = 2 ** 20
const CPU_BAR = 0.02
const MEMORY_BAR = 150 * MIB

// Two synced writes a second each: what a guest that idles with a log does.
const SCRIPT = `while :; do
  dd if=/dev/zero of=log bs=4k count=1 conv=fsync status=none
  dd if=/dev/zero of=log bs=4k count=1 conv=fsync status=none
  sleep 1
done
`

/** What kvmio itself takes while guests work: `kvmio serve` with a study, the one-second sampler, a scrape each 5 s. */
export const working: Part = {
  name: 'working',
  minutes: 4,

  async run(signal) {
    await using home = await createHome({
      tiers: LOCAL,
      guests: {
        small: {
          ...{ memory: '104MiB', accel: 'tcg', deadlines: { boot: '10m' } },
          drives: { root: { tier: 'local', size: '64MiB', format: 'raw' } },
        },
      },
      studies: {
        writers: {
          ...{ guest: 'small', vms: GUESTS, schedule: 'continuous' },
          workload: { script: { run: SCRIPT, timeout: '15m' } },
        },
      },
    })
    await using kvmio = await startKvmio({ config: home.configFile, signal })
    await workingGuests(kvmio)
    return await measure(kvmio)
  },
}

async function workingGuests({ scrape }: Exporter): Promise<void> {
  const deadline = Date.now() + READY_MS
  for (;;) {
    const count = seriesOf(await scrape()).filter((line) =>
      /^kvmio_vm_phase\{.*phase="script"/.test(line),
    ).length
    if (count >= GUESTS) return
    if (Date.now() > deadline) {
      throw new Error(`${count} of ${GUESTS} guests work after ${READY_MS / 1000} s`)
    }
    await sleep(1_000)
  }
}

interface Sample {
  ms: number
  /** Of one core, since the sample before. */
  cpu: number
  /** The same of its iostat. */
  iostatCpu: number
  residentBytes: number
}

async function measure(kvmio: Exporter): Promise<PartResult> {
  const iostat = await childOf(kvmio.pid, 'iostat')
  const samples: Sample[] = []
  let [at, cpu, iostatCpu] = [performance.now(), await cpuSecondsOf(kvmio.pid), await cpuOf(iostat)]
  for (let count = 0; count < SCRAPES; count++) {
    const ms = await timed(kvmio)
    await sleep(PACE_MS - ms)
    const now = [performance.now(), await cpuSecondsOf(kvmio.pid), await cpuOf(iostat)] as const
    const seconds = (now[0] - at) / 1000
    samples.push({
      ms,
      cpu: (now[1] - cpu) / seconds,
      iostatCpu: (now[2] - iostatCpu) / seconds,
      residentBytes: await residentBytesOf(kvmio.pid),
    })
    ;[at, cpu, iostatCpu] = now
  }
  return resultOf(samples.slice(WARM_UP), (await kvmio.scrape()).length)
}

function resultOf(samples: readonly Sample[], pageBytes: number): PartResult {
  const row = (what: string, values: readonly number[]) => [
    what,
    figure(median(values)),
    range(values).map(figure).join('–'),
  ]
  const cpu = samples.map((sample) => sample.cpu * 100)
  const resident = samples.map(({ residentBytes }) => residentBytes / MIB)
  const table = aligned([
    [`${GUESTS} working guests`, 'median', 'range'],
    row('CPU, % of a core', cpu),
    row(
      'CPU of its iostat, %',
      samples.map(({ iostatCpu }) => iostatCpu * 100),
    ),
    row('resident memory, MiB', resident),
    row(
      'a scrape, ms',
      samples.map(({ ms }) => ms),
    ),
  ])
  return {
    report: [table, `The page had ${pageBytes} bytes; a scrape each ${PACE_MS / 1000} s.`],
    targets: [
      {
        what: `CPU with ${GUESTS} working guests`,
        bar: `under ${CPU_BAR * 100} % of a core`,
        figure: `${figure(median(cpu))} %`,
        isMet: median(cpu) < CPU_BAR * 100,
      },
      {
        what: `memory with ${GUESTS} working guests, the most that was seen`,
        bar: `under ${MEMORY_BAR / MIB} MiB`,
        figure: `${figure(range(resident)[1])} MiB`,
        isMet: range(resident)[1] < MEMORY_BAR / MIB,
      },
    ],
  }
}

/** The child of a process that has this name, if there is one. */
async function childOf(pid: number, name: string): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  for (const child of text.trim().split(' ').filter(Boolean)) {
    const comm = await readFile(`/proc/${child}/comm`, 'utf8').catch(() => '')
    if (comm.trim() === name) return Number(child)
  }
  return undefined
}

async function cpuOf(pid: number | undefined): Promise<number> {
  return pid === undefined ? Number.NaN : await cpuSecondsOf(pid)
}
