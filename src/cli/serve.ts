import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfig } from '../config/load.ts'
import { ConfigHolder, watchConfig } from '../config/watch.ts'
import type { UnfinishedRun } from '../journal/runs.ts'
import { messageOf } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { checkTier } from '../storage/tiers.ts'
import { listenControl } from '../web/control.ts'
import { CALIBRATE } from './calibrate.ts'
import { controlHandlers, controlPath } from './control.ts'
import { RAMP } from './density.ts'
import { Engine } from './engine.ts'
import { createEventLog } from './event-log.ts'
import { keepPruning, prune } from './keeping.ts'
import { listenWeb } from './listen.ts'
import { VMS } from './live-vms.ts'
import type { ServeOptions } from './options.ts'
import { RUN } from './run.ts'
import { type ServedWork, served } from './work.ts'

// A tier whose emulated disk has died is noticed within this.
const TIER_CHECK_MS = 2_000
// A study that could not go on (a tier that is gone, a full disk) is tried again after this.
const RETRY_MS = 30_000
// What other commands may ask of this one.
const WORKS: readonly ServedWork[] = [served(RUN), served(CALIBRATE), served(RAMP), served(VMS)]

/** Serves metrics and runs the studies that have a schedule, until the signal comes. */
export async function serve(options: ServeOptions, log: Log, signal: AbortSignal): Promise<void> {
  const config = await loadConfig(options.configFile)
  const holder = new ConfigHolder(config, { log })
  const engine = await Engine.open(options, holder, log, signal)
  let notReady: string | undefined = 'kvmio is starting.'
  const started = Promise.withResolvers<void>()
  const reload = () => void holder.reload().catch(() => {}) // the holder has told of it
  try {
    await using web = await disposable(listenWeb(engine, () => notReady))
    const handlers = controlHandlers(engine, WORKS, started.promise, signal)
    await using _works = { [Symbol.asyncDispose]: () => handlers.settled() }
    await using _control = await disposable(
      listenControl({ path: controlPath(config.state), handlers }),
    )
    await watchConfig(config.file, reload, { signal })
    process.on('SIGHUP', reload)
    engine.onEvent(createEventLog(log))
    const unfinished = await engine.start()
    await prune(engine)
    notReady = undefined
    started.resolve()
    log.info(`metrics are served at ${web.url}${options.telemetryPath}`)
    await Promise.all([
      watchTiers(engine, signal),
      keepPruning(engine, signal),
      runAll(engine, unfinished, signal),
    ])
  } finally {
    process.off('SIGHUP', reload)
    await engine.close()
  }
}

async function runAll(
  engine: Engine,
  unfinished: readonly UnfinishedRun[],
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(unfinished.map((run) => takeUp(engine, run, signal)))
  const started = new Set<string>()
  const running: Promise<void>[] = []
  const startNew = () => {
    for (const [name, { schedule }] of Object.entries(engine.holder.current.studies)) {
      if (schedule === undefined || started.has(name) || signal.aborted) continue
      started.add(name)
      running.push(keepRunning(engine, name, signal).finally(() => started.delete(name)))
    }
  }
  let config = engine.holder.current
  while (!signal.aborted) {
    if (config !== engine.holder.current) await engine.configuredTiers.takeOver()
    config = engine.holder.current
    startNew() // also what a reloaded config has added
    await pause(TIER_CHECK_MS, signal)
  }
  await Promise.all(running)
}

/** What cannot be taken up stays unfinished, and is tried again by the next start. */
async function takeUp(engine: Engine, run: UnfinishedRun, signal: AbortSignal): Promise<void> {
  try {
    await engine.takeUp(run, signal)
  } catch (error) {
    if (!signal.aborted)
      engine.log.error(`run ${run.id} of ${run.study} was not taken up: ${messageOf(error)}`)
  }
}

/** Runs a continuous study as long as the config has it, each block with the config then in force. */
async function keepRunning(engine: Engine, name: string, signal: AbortSignal): Promise<void> {
  using _held = engine.holdStudy(name)
  while (!signal.aborted && engine.holder.current.studies[name]?.schedule !== undefined) {
    try {
      await engine.runStudy(await engine.findStudy(name), { blocks: 1 }, signal)
      await pause((engine.holder.current.studies[name]?.pause ?? 0) * 1000, signal)
    } catch (error) {
      if (signal.aborted) return
      engine.log.error(`study ${name} waits ${RETRY_MS / 1000} s: ${messageOf(error)}`)
      await pause(RETRY_MS, signal)
    }
  }
}

/** A tier that no longer works is told of once, and shows in kvmio_tier_available. */
async function watchTiers(engine: Engine, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const open of engine.configuredTiers.all()) {
      if (open.tier.unavailable !== undefined) continue
      // One that does not answer in time may yet be well: the collector of tiers tells of it.
      const check = engine.guard.run(`tier ${open.tier.name}`, TIER_CHECK_MS, () => checkTier(open))
      const reason = await check.catch(() => undefined)
      if (reason === undefined) continue
      open.tier.unavailable = reason
      engine.log.error(`tier ${open.tier.name} no longer works: ${reason}`)
    }
    await pause(TIER_CHECK_MS, signal)
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {})
}

async function disposable<T extends { close(): Promise<void> }>(
  opening: Promise<T>,
): Promise<T & AsyncDisposable> {
  const opened = await opening
  return Object.assign(opened, { [Symbol.asyncDispose]: () => opened.close() })
}
