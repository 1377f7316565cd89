// Reads what the kernel itself writes when it is asked: files of procfs and of cgroups.
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { parseDescriptorLimit } from './descriptors.ts'
import { KeptFiles } from './kept-files.ts'
import { type Mount, parseMounts } from './mounts.ts'

/**
 * The text of a small file of procfs or of a cgroup. One that the kernel answers from its memory is read at once: 10 µs,
 * where the way through one of libuv's threads takes 100 to 200, of which the main thread spends more than the 10.
 * /proc/PID/smaps_rollup and maps wait for the process (mmap_lock) and are not for this; io, stat and status do not
 * (fs/proc/base.c: do_io_accounting takes exec_update_lock, which only an execve holds; fs/proc/array.c).
 */
export async function readKernelText(file: string): Promise<string> {
  quick ??= quickPlaces()
  return isIn(file, quick) ? readFileSync(file, 'utf8') : await readFile(file, 'utf8')
}

/** The same for who reads a file again and again: what is read at once stays open in between. */
export async function pollKernelText(file: string): Promise<string> {
  quick ??= quickPlaces()
  kept ??= new KeptFiles({ limit: keptLimit() })
  return kept.has(file) || isIn(file, quick) ? kept.read(file) : await readFile(file, 'utf8')
}

/** Where files are of the kernel's own making, and what another filesystem lies over there, as lxcfs does in a container. */
export interface QuickPlaces {
  inside: readonly string[]
  without: readonly string[]
}

let quick: QuickPlaces | undefined
let kept: KeptFiles | undefined

// 400 vms have this many. Of what may be open at most a quarter, the rest is for sockets and images.
const MAX_KEPT = 2_000

function keptLimit(): number {
  const limit = parseDescriptorLimit(readFileSync('/proc/self/limits', 'utf8'))
  return Math.min(MAX_KEPT, Math.floor((limit ?? Infinity) / 4))
}

function quickPlaces(): QuickPlaces {
  try {
    return quickPlacesOf(parseMounts(readFileSync('/proc/self/mountinfo', 'utf8')))
  } catch {
    return { inside: [], without: [] }
  }
}

export function quickPlacesOf(mounts: readonly Mount[]): QuickPlaces {
  const ofKernel = ({ filesystem }: Mount) => ['proc', 'cgroup', 'cgroup2'].includes(filesystem)
  const places = (those: readonly Mount[]) => those.map(({ mountPoint }) => mountPoint)
  const inside = places(mounts.filter(ofKernel)).filter((place) => place !== '/')
  const others = places(mounts.filter((mount) => !ofKernel(mount)))
  return { inside, without: others.filter((other) => isIn(other, { inside, without: [] })) }
}

export function isIn(file: string, { inside, without }: QuickPlaces): boolean {
  const holds = (place: string) => file === place || file.startsWith(`${place}/`)
  return inside.some(holds) && !without.some(holds)
}
