import { watch } from 'chokidar'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { Serial } from '../lib/serial.ts'
import { type Config, loadConfig } from './load.ts'

export interface WatchOptions {
  /** Ends the watch. */
  signal: AbortSignal
  /** Told when the watch itself is in trouble; by default it goes on in silence. */
  onError?: (error: unknown) => void
}

/** Calls back whenever the file has got a new text, written in place or renamed over; resolves once it watches. */
export function watchConfig(
  file: string,
  onChange: () => void,
  { signal, onError = () => {} }: WatchOptions,
): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  const watcher = watch(file, {
    ignoreInitial: true,
    // An editor may write in pieces; half a config must not be read.
    awaitWriteFinish: { stabilityThreshold: 100, pollInterval: 25 },
  })
  watcher.on('add', onChange)
  watcher.on('change', onChange)
  watcher.on('error', onError)
  return new Promise((resolve, reject) => {
    watcher.once('ready', resolve)
    watcher.once('error', reject)
    signal.addEventListener('abort', () => watcher.close().then(resolve, reject), { once: true })
  })
}

export interface HolderOptions {
  log: Log
  /** Unix time in milliseconds. */
  now?: () => number
}

/** The config in force: the last one that was right. */
export class ConfigHolder {
  current: Config
  /** Whether the config in force is the one in the file. */
  lastReloadSuccessful = true
  /** When the config in force was taken over, in seconds of Unix time. */
  lastReloadTime: number
  readonly #log: Log
  readonly #now: () => number
  readonly #reloads = new Serial()

  constructor(config: Config, { log, now = Date.now }: HolderOptions) {
    this.current = config
    this.#log = log
    this.#now = now
    this.lastReloadTime = now() / 1000
  }

  /** Takes the file's config over, or keeps the present one and throws what is wrong with the new one. */
  reload(): Promise<void> {
    // One after the other, so that an older text never replaces a newer one.
    return this.#reloads.run(() => this.#reload())
  }

  async #reload(): Promise<void> {
    const { file } = this.current
    try {
      this.current = await loadConfig(file, this.current)
    } catch (error) {
      this.lastReloadSuccessful = false
      this.#log.error({ file, problems: messageOf(error) }, 'config not taken over')
      throw error
    }
    this.lastReloadSuccessful = true
    this.lastReloadTime = this.#now() / 1000
    this.#log.info({ file }, 'config taken over')
  }
}
