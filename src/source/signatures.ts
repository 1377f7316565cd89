// Reads what is written on a device, and who says that it is theirs: wipefs(8), which looks for every kind that libblkid
// knows (filesystems, partition tables, members of RAID, LVM and multipath, swap), and writes nothing unless told to.
import { KvmioError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'

/** One magic string on a device. */
export interface Signature {
  /** As libblkid names it: ext4, dos, LVM2_member, swap. */
  type: string
  uuid?: string
  label?: string
}

/** What is on a device; a disk that hangs would hold this for ever, hence the limit. */
export async function readSignatures(device: string): Promise<Signature[]> {
  return parseSignatures(await run('wipefs', ['--json', device], { timeoutMs: 30_000 }))
}

/** Nothing at all is printed where nothing is on the device. */
export function parseSignatures(text: string): Signature[] {
  if (text.trim() === '') return []
  const found = (json(text) as { signatures?: unknown } | null)?.signatures
  if (!Array.isArray(found)) throw unexpected('signatures', text)
  return found.map((one: Record<string, unknown> | null) => {
    const [type, uuid, label] = ['type', 'uuid', 'label'].map((key) => one?.[key])
    if (typeof type !== 'string') throw unexpected('a type of each signature', text)
    return {
      type,
      ...(typeof uuid === 'string' ? { uuid } : {}),
      ...(typeof label === 'string' ? { label } : {}),
    }
  })
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw unexpected('JSON', text)
  }
}

function unexpected(what: string, text: string): KvmioError {
  return new KvmioError(`wipefs: expected ${what}, got ${JSON.stringify(text.slice(0, 80))}`)
}
