import type { LiveState, RunState } from './state.ts'

/** Where the live page gets what it shows. */
export interface Live {
  /** As it is now. */
  state(): Promise<LiveState>
  /** Calls back each second, as long as somebody listens; the returned function ends that. */
  onState(listener: (state: LiveState) => void): () => void
  /** The last runs that have ended, the newest first. */
  runs(which: { study?: string; limit: number }): RunState[]
}

/** What the pages for people need. */
export interface LiveParts {
  live: Live
  version: string
  telemetryPath: string
  /** Where dashboards are, when somebody has said so. */
  grafanaUrl?: string
  /** The folder with the documentation. */
  docs: string
}
