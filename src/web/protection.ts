import type { TlsSettings } from './tls.ts'

/** How the web is protected, as the web config says. */
export interface Protection {
  tls?: TlsSettings
  /** Headers of each answer. */
  headers: Readonly<Record<string, string>>
  /** bcrypt hashes by user; everybody may ask when there is none. */
  users: Readonly<Record<string, string>>
}

/** What is in force now: the same object as before, unless it has changed. */
export type ProtectionNow = () => Protection
