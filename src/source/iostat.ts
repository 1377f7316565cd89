// iostat's JSON: https://sysstat.github.io, iostat.c (write_json_ext_stat) at each tag from 11.5.1 on
import { setTimeout as sleep } from 'node:timers/promises'
import { KvmioError, messageOf, ParseError } from '../lib/errors.ts'
import { type RunningProcess, startProcess } from '../lib/process.ts'

/** One device over one interval, in base units; what this version of iostat does not print is absent. */
export interface IostatDevice {
  device: string
  readsPerSecond?: number
  writesPerSecond?: number
  readBytesPerSecond?: number
  writtenBytesPerSecond?: number
  readAwaitSeconds?: number
  writeAwaitSeconds?: number
  flushAwaitSeconds?: number
  /** Requests, waiting and in service. */
  queueLength?: number
  /** 0 to 1. */
  utilRatio?: number
}

/** What iostat said of one interval. */
export interface IostatReading {
  /** When it was said, milliseconds on the reader's clock. */
  at: number
  devices: IostatDevice[]
}

export interface IostatOptions {
  /** Whole seconds. */
  intervalSeconds: number
  /** Hears of each end of iostat, and of the first of a row of blocks that cannot be read. */
  onError(error: Error): void
  binary?: string
  /** Milliseconds. */
  now(): number
}

const FIRST_DELAY_MS = 1_000
const LAST_DELAY_MS = 30_000

/** One long-lived iostat, which is started again when it dies. */
export class IostatReader {
  readonly #options: IostatOptions
  readonly #stopped = new AbortController()
  #delayMs = FIRST_DELAY_MS
  #reading: IostatReading | undefined
  #child: RunningProcess | undefined
  #loop: Promise<void> | undefined

  constructor(options: IostatOptions) {
    this.#options = options
  }

  start(): void {
    this.#loop ??= this.#keepRunning()
  }

  /** The last reading, unless it is older than three intervals. */
  latest(): IostatReading | undefined {
    const { now, intervalSeconds } = this.#options
    if (!this.#reading || now() - this.#reading.at > 3 * intervalSeconds * 1000) return undefined
    return this.#reading
  }

  /** The process id of iostat while it runs. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#child?.stop().catch(() => {}) // how it ended is told by the loop
    await this.#loop
  }

  async #keepRunning(): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      const end = await this.#runOnce().then(() => 'iostat ended by itself', messageOf)
      if (signal.aborted) return
      const delayMs = this.#delayMs
      this.#delayMs = Math.min(2 * delayMs, LAST_DELAY_MS)
      this.#options.onError(
        new KvmioError(`iostat is started again in ${delayMs / 1000} s: ${end}`),
      )
      await sleep(delayMs, undefined, { signal }).catch(() => {})
    }
  }

  async #runOnce(): Promise<void> {
    const { binary = 'iostat', intervalSeconds } = this.#options
    // -k: under POSIXLY_CORRECT the keys would be rsec/s, in sectors.
    const args = ['-dxyk', '-o', 'JSON', String(intervalSeconds)]
    // Before sysstat 12.7.8 only SIGINT lets it close the document and exit with 0.
    const child = startProcess({ name: 'iostat', file: binary, args, stopSignal: 'SIGINT' })
    this.#child = child
    try {
      await this.#follow(child.stdout)
      await child.done
    } finally {
      this.#child = undefined
    }
  }

  async #follow(stdout: AsyncIterable<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder()
    const split = iostatBlocks()
    let wasGood = true
    for await (const chunk of stdout) {
      for (const block of split(decoder.decode(chunk, { stream: true }))) {
        try {
          this.#reading = { at: this.#options.now(), devices: parseIostatReport(block) }
          this.#delayMs = FIRST_DELAY_MS
          wasGood = true
        } catch (error) {
          if (wasGood) this.#options.onError(error as ParseError)
          wasGood = false
        }
      }
    }
  }
}

/**
 * Cuts the stream into blocks as they become complete, each `{"disk": [...]}`. The document as a whole is closed only
 * when iostat ends, and before sysstat 11.7.1 `-y` made it begin with a stray comma: only the lines of `disk` are read.
 */
export function iostatBlocks(): (chunk: string) => string[] {
  let rest = ''
  let devices: string[] | undefined
  return (chunk) => {
    const blocks: string[] = []
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!.slice(0, MAX_LINE)
    for (const line of lines) {
      if (/"disk":\s*\[\s*$/.test(line)) devices = []
      else if (devices && /^\s*\]/.test(line)) {
        blocks.push(['{"disk": [', ...devices, ']}'].join('\n'))
        devices = undefined
      } else if (devices && devices.length < MAX_DEVICES) devices.push(line)
    }
    return blocks
  }
}

/** One block of the statistics; keys that are unknown are left out, and so are figures that cannot be. */
export function parseIostatReport(text: string, file = 'iostat'): IostatDevice[] {
  const { disk } = parseBlock(text, file)
  if (Array.isArray(disk)) return disk.map((entry, index) => parseDevice(entry, index, file))
  throw new ParseError(file, 1, `disk: expected a list of devices, got ${shown(disk)}`)
}

// A line has 400 bytes, and a host has fewer devices than this: what is longer is not iostat's.
const MAX_LINE = 65_536
const MAX_DEVICES = 65_536

// 11.5.1 to 11.5.6 print r, w, rkB, wkB, avgqu-sz; 11.5.7 renamed them; f_await came with 12.2.1.
const KEYS: Record<Exclude<keyof IostatDevice, 'device'>, [keys: string[], unitsInBase: number]> = {
  readsPerSecond: [['r/s', 'r'], 1],
  writesPerSecond: [['w/s', 'w'], 1],
  readBytesPerSecond: [['rkB/s', 'rkB'], 1 / 1024],
  writtenBytesPerSecond: [['wkB/s', 'wkB'], 1 / 1024],
  readAwaitSeconds: [['r_await'], 1000],
  writeAwaitSeconds: [['w_await'], 1000],
  flushAwaitSeconds: [['f_await'], 1000],
  queueLength: [['aqu-sz', 'avgqu-sz'], 1],
  utilRatio: [['util'], 100],
}

function parseBlock(text: string, file: string): Record<string, unknown> {
  try {
    const block: unknown = JSON.parse(text)
    if (isObject(block)) return block
  } catch {}
  throw new ParseError(file, 1, `expected a block of statistics as JSON, got ${shown(text)}`)
}

function parseDevice(entry: unknown, index: number, file: string): IostatDevice {
  if (!isObject(entry) || typeof entry.disk_device !== 'string') {
    const place = `disk[${index}]`
    throw new ParseError(
      file,
      1,
      `${place}: expected an object with disk_device, got ${shown(entry)}`,
    )
  }
  const device: IostatDevice = { device: entry.disk_device }
  for (const [name, [keys, unitsInBase]] of Object.entries(KEYS)) {
    const value = keys.map((key) => entry[key]).find((value) => value !== undefined)
    // Before 12.7.3 a counter that fell gave a negative rate.
    if (typeof value !== 'number' || value < 0) continue
    device[name as keyof typeof KEYS] = value / unitsInBase
  }
  return device
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
