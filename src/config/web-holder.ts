import { messageOf } from '../lib/errors.ts'
import type { HolderOptions } from './watch.ts'
import { fileState, readWebConfig, type WebConfig, type WebConfigReading } from './web-config.ts'

/** The web config in force: the last one that was right. */
export class WebConfigHolder {
  /** Whether the one in force is what the files say. */
  lastReloadSuccessful = true
  /** When the one in force was taken over, in seconds of Unix time. */
  lastReloadTime: number
  readonly #file: string
  readonly #log: HolderOptions['log']
  readonly #now: () => number
  #current: WebConfig
  #states: WebConfigReading['states']

  /** Reads the file; throws a ConfigError with all its mistakes. */
  constructor(file: string, { log, now = Date.now }: HolderOptions) {
    const { config, error, states } = readWebConfig(file)
    if (!config) throw error
    this.#file = file
    this.#log = log
    this.#now = now
    this.#current = config
    this.#states = states
    this.lastReloadTime = now() / 1000
  }

  /**
   * What is in force now. The files are looked at each time, as exporter-toolkit does, so that the next connection sees a
   * renewed certificate however it came there; it takes 10 µs. What cannot be used is told of once.
   */
  current(): WebConfig {
    for (const [file, state] of this.#states) {
      if (fileState(file) === state) continue
      this.#reload()
      break
    }
    return this.#current
  }

  #reload(): void {
    const file = this.#file
    const { config, error, states } = readWebConfig(file, this.#current)
    this.#states = states
    this.lastReloadSuccessful = config !== undefined
    if (config) {
      this.#current = config
      this.lastReloadTime = this.#now() / 1000
      this.#log.info({ file }, 'web config taken over')
    } else {
      this.#log.error({ file, problems: messageOf(error) }, 'web config not taken over')
    }
  }
}
