import { createHmac, randomBytes } from 'node:crypto'
import type { PasswordCheck } from './password-check.ts'

export type Users = Readonly<Record<string, string>>

/** Whether the Authorization header of a request is that of a user; at once where that is known already. */
export type BasicAuth = (header: string | undefined, users: Users) => boolean | Promise<boolean>

/**
 * HTTP's basic authentication, https://www.rfc-editor.org/rfc/rfc7617. A pair that was right once is known again by a keyed
 * hash, so that a scrape does not cost what bcrypt does; one that was wrong costs it each time, whether the user exists or not.
 */
export function createBasicAuth(check: Pick<PasswordCheck, 'compare'>): BasicAuth {
  const secret = randomBytes(32) // of this process: what memory holds is of no use elsewhere
  const digest = (...parts: string[]) =>
    createHmac('sha256', secret).update(JSON.stringify(parts)).digest('base64')
  /** The digest of the last pair of each user that was right. */
  const right = new Map<string, string>()
  const underWay = new Map<string, Promise<boolean>>()

  return (header, users) => {
    const pair = parseBasic(header)
    if (!pair) return false
    const [user, password] = pair
    const known = Object.hasOwn(users, user)
    const hash = known ? users[user]! : decoy(users, digest(user))
    const key = digest(user, password, hash)
    if (known && right.get(user) === key) return true
    const asked = underWay.get(key)
    if (asked) return asked
    const answer = check
      .compare(password, hash)
      .then((same) => {
        if (known && same) right.set(user, key)
        return known && same
      })
      .finally(() => underWay.delete(key))
    underWay.set(key, answer)
    return answer
  }
}

/** The hash that an unknown user's password is compared with, always the same for a name, so that it costs what a known one's does. */
function decoy(users: Users, digest: string): string {
  const hashes = Object.values(users)
  return hashes[Buffer.from(digest, 'base64').readUInt32LE() % hashes.length]!
}

/** User and password of `Basic dXNlcjpwYXNzd29yZA==`. */
function parseBasic(header: string | undefined): [user: string, password: string] | undefined {
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+=*)$/i.exec(header ?? '') ?? []
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : [text.slice(0, colon), text.slice(colon + 1)]
}
