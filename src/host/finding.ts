/** One thing that this host can or cannot do. */
export interface Finding {
  subject: string
  can: boolean
  /** How that was found, or why not. */
  detail: string
  /** What would help; absent where nothing is needed or nothing would. */
  remedy?: string
}

/**
 * How one thing about this host is found out. A value of a config is called `KEY VALUE` (`bus ide`, `filesystem ext4`),
 * and one that has no names, or is only there or not, by its key alone (`iothread`): that is how needs.ts finds it.
 */
export interface Probe {
  /** What it is listed under. */
  group: string
  subject: string
  /** What would help where the trial fails. */
  remedy: string
  /** The folder that the trial was made in, when it may come out otherwise elsewhere: no reason to skip a case. */
  only?: string
  /** Gives how it was found; throws why not. */
  trial(): Promise<string>
}

/** How long a program of a trial may take, milliseconds: that a host is busy is no reason to skip a case. */
export const TRIAL_MS = 30_000

/** Turns a trial into a finding: what it returns is the detail, what it throws the reason. */
export async function tryOut(
  subject: string,
  remedy: string,
  trial: () => Promise<string>,
): Promise<Finding> {
  try {
    return { subject, can: true, detail: await trial() }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { subject, can: false, detail: firstLine(message), remedy }
  }
}

/** A program's own words stand below `exited with code 1:`, and are the better reason. */
function firstLine(message: string): string {
  const [first = '', second = ''] = message.split('\n')
  return first.endsWith(':') ? `${first} ${second.trim()}` : first
}
