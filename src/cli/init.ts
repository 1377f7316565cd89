import { access, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { firstConfig, placeWords, type TierPlace } from '../config/first-config.ts'
import { parseConfig } from '../config/load.ts'
import { configSchema } from '../config/schema.ts'
import type { Probing } from '../host/probing.ts'
import { findStorageClasses, type StorageClass } from '../host/storage-classes.ts'
import { codeOf, UsageError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import { hasQemus } from '../source/qemu-processes.ts'
import { createHostProbing } from './host-probes.ts'
import type { CommonOptions } from './options.ts'

export interface InitOptions extends Pick<CommonOptions, 'configFile'> {
  /** `-` for standard output; the config file by default. */
  target?: string
  /** Overwrites a file that is there. */
  force: boolean
}

const PROC = '/proc'
const SYS = '/sys'
/** In this order, those that the host has: two are enough to compare. */
const BUSES = ['virtio-blk', 'ide', 'sata', 'virtio-scsi']
const FORMATS = ['qcow2', 'raw']
const COMPARED = 2

/** Writes a config for this host from what can be found of it, and says what to do next. */
export async function init({ configFile, target = configFile, force }: InitOptions): Promise<void> {
  const toStdout = target === '-'
  const file = resolve(toStdout ? configFile : target)
  if (!toStdout && !force) await refuseExisting(file, target)
  const { binary } = configSchema.shape.qemu.parse({})
  const { state, stateDir, folder } = placeOfState(file)
  const probing = await createHostProbing({ stateDir, binary, procRoot: PROC, sysRoot: SYS })
  const places = await placesFor(folder, state)
  const root = process.getuid?.() === 0
  const text = firstConfig({
    state,
    places,
    emulated: root && (await has(probing, EMULATED)),
    buses: (await those(probing, 'bus', BUSES)).slice(0, COMPARED),
    formats: await those(probing, 'format', FORMATS),
    balloon: await has(probing, ['balloon']),
    foreignVms: await hasQemus(PROC),
    volumeGroups: root && (await has(probing, ['tier volumeGroup'])) ? await volumeGroups() : [],
  })
  parseConfig(text, file) // what is written is a config that check accepts, or nothing is
  if (toStdout) {
    process.stdout.write(text)
    return
  }
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
  process.stdout.write(nextSteps(target, state, places))
}

/** Beside the config; that of a service, which is in /etc, has its state where services have it. */
function placeOfState(file: string): { state: string; stateDir: string; folder: string } {
  const folder = dirname(file)
  const state = file.startsWith('/etc/') ? '/var/lib/kvmio' : './.kvmio'
  const stateDir = resolve(folder, state)
  return { state, stateDir, folder: dirname(stateDir) }
}

const EMULATED = ['tier filesystem', 'tier emulate', 'filesystem ext4', 'loop devices']

async function refuseExisting(file: string, target: string): Promise<void> {
  try {
    await access(file)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  throw new UsageError(
    `${target} is there already; --force overwrites it, kvmio init - prints to standard output`,
  )
}

async function has(probing: Probing, subjects: readonly string[]): Promise<boolean> {
  const findings = await Promise.all(subjects.map((subject) => probing.find(subject)))
  return findings.every((finding) => finding?.can)
}

/** Those values that this host has; all of them where it has none yet, for qemu to be installed later. */
async function those(
  probing: Probing,
  key: string,
  values: readonly string[],
): Promise<readonly string[]> {
  const can = await Promise.all(values.map((value) => has(probing, [`${key} ${value}`])))
  const found = values.filter((_, index) => can[index])
  return found.length > 0 ? found : values
}

/** A tier a disk. The disk that holds the state directory's folder has its images below the state directory. */
async function placesFor(folder: string, state: string): Promise<TierPlace[]> {
  const classes = await findStorageClasses({ procRoot: PROC, sysRoot: SYS, folder })
  const used = new Map<string, number>()
  const places = classes.map((found): TierPlace => {
    const count = (used.get(found.kind) ?? 0) + 1
    used.set(found.kind, count)
    const name = count === 1 ? found.kind : `${found.kind}-${count}`
    return { name, ...placeOf(found, `${state}/${name}`) }
  })
  // A container's overlay, a network filesystem, a disk that is nearly full: no class of storage, and yet a place.
  if (classes.some(({ holdsFolder }) => holdsFolder)) return places
  const local = { name: 'local', directory: `${state}/local`, what: 'What this folder lies on' }
  return [{ ...local, usable: true }, ...places]
}

function placeOf(found: StorageClass, inState: string): Omit<TierPlace, 'name'> {
  const { filesystem, disks, mountPoint, availableBytes, holdsFolder, writable } = found
  const what = placeWords(filesystem, disks, mountPoint, availableBytes)
  return holdsFolder
    ? { directory: inState, what, usable: true }
    : { directory: join(mountPoint, 'kvmio'), what, usable: writable }
}

async function volumeGroups(): Promise<string[]> {
  const names = await run('vgs', ['--noheadings', '-o', 'vg_name'], { timeoutMs: 10_000 }).catch(
    () => '',
  )
  return names.split(/\s+/).filter(Boolean)
}

function nextSteps(target: string, state: string, places: readonly TierPlace[]): string {
  const isOwn = ({ directory }: TierPlace) => directory.startsWith(`${state}/`) // made by kvmio
  const made = places.filter((place) => place.usable && !isOwn(place))
  const flag = target === 'kvmio.yaml' ? '' : ` --config.file ${target}`
  const commands = [
    ...made.map(({ directory }) => [`mkdir ${directory}`, 'for the images of its tier']),
    [`kvmio doctor${flag}`, 'what this host can and cannot do'],
    [`kvmio plan${flag}`, 'the cases of its study'],
    [`kvmio run first --once${flag}`, 'each of them once'],
  ]
  const width = Math.max(...commands.map(([command = '']) => command.length))
  const lines = commands.map(([command = '', what]) => `  ${command.padEnd(width)}  ${what}`)
  return `${[`wrote ${target}; next:`, ...lines].join('\n')}\n`
}
