/** One thing that this host can or cannot do. */
export interface Finding {
  subject: string
  can: boolean
  /** How that was found, or why not. */
  detail: string
  /** What would help; absent where nothing is needed or nothing would. */
  remedy?: string
}

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
    return { subject, can: false, detail: message.split('\n')[0] ?? '', remedy }
  }
}
