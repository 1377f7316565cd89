import type { MediaPlan } from './plan.ts'

// What a vm reads beside its drives: an installer's CD, the drive that packages are installed from.

type Options = Record<string, unknown>

/** The node of a medium, as -blockdev takes it. Past the page cache it would be slower for no one's good. */
export function mediumNode({ name, path }: MediaPlan): Options {
  const file = { driver: 'file', filename: path, 'read-only': true }
  return { 'node-name': mediumId(name), driver: 'raw', 'read-only': true, file }
}

/** Its device: a CD in the last place of IDE, where drives come last; a disk is virtio's, whatever the drives are. */
export function mediumDevice({ name, kind }: MediaPlan, boots: boolean): Options {
  const id = mediumId(name)
  const order = boots ? { bootindex: 0 } : {}
  return kind === 'cdrom'
    ? { driver: 'ide-cd', bus: 'ide.1', unit: 1, id, drive: id, ...order }
    : { driver: 'virtio-blk-pci', id, drive: id, serial: name, ...order }
}

function mediumId(name: string): string {
  return `medium-${name}`
}
