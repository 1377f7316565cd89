// Reads LVM's volume groups and logical volumes: vgs(8), lvs(8), lvmreport(7). Sizes are asked in bytes without a unit.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { KvmioError, UnavailableError } from '../lib/errors.ts'
import { run } from '../lib/process.ts'
import type { Space } from './mounts.ts'

export interface VolumeGroup {
  name: string
  sizeBytes: number
  freeBytes: number
  extentBytes: number
  /** The paths of its physical volumes. */
  physicalVolumes: string[]
}

export interface LogicalVolume {
  group: string
  name: string
  sizeBytes: number
  tags: string[]
  /** Whether something has its device open (a mount, a qemu), or nobody knows. */
  open: boolean
  isThinPool?: true
  /** Of a thin pool and of a volume in one: how much of it is written, 0 to 1; absent while it is not active. */
  written?: number
}

const TIMEOUT_MS = 60_000 // another LVM command may hold the lock
const REPORT = ['--reportformat', 'json', '--units', 'b', '--nosuffix']

/** Whether the kernel has a device mapper, without which no logical volume can be used. */
export async function hasDeviceMapper(procRoot: string): Promise<boolean> {
  const misc = await readFile(join(procRoot, 'misc'), 'utf8').catch(() => '')
  return /\bdevice-mapper$/m.test(misc)
}

/** All volume groups of this host. */
export async function readVolumeGroups(): Promise<VolumeGroup[]> {
  const fields = 'vg_name,vg_size,vg_free,vg_extent_size,pv_name'
  const options = { timeoutMs: TIMEOUT_MS }
  return parseVolumeGroups(await run('vgs', [...REPORT, '--options', fields], options))
}

/** The logical volumes of a group, or of all groups. */
export async function readLogicalVolumes(group?: string): Promise<LogicalVolume[]> {
  const fields = 'vg_name,lv_name,lv_size,lv_tags,lv_layout,lv_device_open,data_percent'
  const args = [...REPORT, '--options', fields, ...(group === undefined ? [] : [group])]
  return parseLogicalVolumes(await run('lvs', args, { timeoutMs: TIMEOUT_MS }))
}

/** What volumes may still take of a group, or of a thin pool in it. */
export async function readGroupSpace(group: string, thinPool?: string): Promise<Space> {
  if (thinPool !== undefined) return poolSpace(await readLogicalVolumes(group), group, thinPool)
  const found = (await readVolumeGroups()).find(({ name }) => name === group)
  if (!found) throw new UnavailableError(`there is no volume group ${group} any more`)
  const { sizeBytes, freeBytes } = found
  return { sizeBytes, freeBytes, availableBytes: freeBytes }
}

/** The space of a thin pool: its volumes may promise more than that, and writes fail when it is full. */
export function poolSpace(volumes: readonly LogicalVolume[], group: string, pool: string): Space {
  const found = volumes.find(({ name, isThinPool }) => name === pool && isThinPool)
  if (!found) throw new UnavailableError(`volume group ${group} has no thin pool ${pool}`)
  const { sizeBytes, written } = found
  if (written === undefined)
    throw new UnavailableError(`thin pool ${pool} of volume group ${group} is not active`)
  const freeBytes = Math.floor(sizeBytes * (1 - written))
  return { sizeBytes, freeBytes, availableBytes: freeBytes }
}

/** What the device mapper calls /dev/GROUP/VOLUME: each hyphen of the two is there twice. */
export function mapperName(path: string): string {
  const names = path.split('/').slice(-2)
  return names.map((name) => name.replaceAll('-', '--')).join('-')
}

/** What a device of LVM's is part of. */
export interface MappedVolume {
  group: string
  name: string
  /** Of a device that LVM makes a volume of: tpool, real, cow. */
  layer?: string
}

/** From the device mapper's name to the volume, which mapperName() has made it of: neither name begins with a hyphen. */
export function volumeOf(mapped: string): MappedVolume | undefined {
  const [group, name, layer, ...more] = mapped
    .replaceAll('--', '/') // no name has a slash
    .split('-')
    .map((part) => part.replaceAll('/', '-'))
  if (!group || !name || more.length > 0) return undefined
  return layer === undefined ? { group, name } : { group, name, layer }
}

/** A group has a row for each of its physical volumes. */
export function parseVolumeGroups(text: string): VolumeGroup[] {
  const groups = new Map<string, VolumeGroup>()
  for (const row of rowsOf(text, 'vg', 'vgs')) {
    const name = row.word('vg_name')
    const group = groups.get(name) ?? {
      name,
      sizeBytes: row.whole('vg_size'),
      freeBytes: row.whole('vg_free'),
      extentBytes: row.whole('vg_extent_size'),
      physicalVolumes: [],
    }
    group.physicalVolumes.push(row.word('pv_name'))
    groups.set(name, group)
  }
  return [...groups.values()]
}

export function parseLogicalVolumes(text: string): LogicalVolume[] {
  return rowsOf(text, 'lv', 'lvs').map((row) => {
    const layout = row.word('lv_layout').split(',')
    const isThin = layout.includes('thin')
    const isActive = row.word('data_percent') !== ''
    return {
      group: row.word('vg_name'),
      name: row.word('lv_name'),
      sizeBytes: row.whole('lv_size'),
      tags: row.word('lv_tags').split(',').filter(Boolean),
      open: row.word('lv_device_open') !== '', // open, or unknown without a device mapper
      ...(isThin && layout.includes('pool') ? { isThinPool: true } : {}),
      ...(isThin && isActive ? { written: row.percent('data_percent') } : {}),
    }
  })
}

interface Row {
  word(field: string): string
  whole(field: string): number
  percent(field: string): number
}

/** The rows of `{"report": [{"lv": [{"lv_name": "…", …}, …]}]}`; every value is text. */
function rowsOf(text: string, kind: string, program: string): Row[] {
  const found = (json(text, program) as { report?: unknown } | null)?.report
  const reports: unknown[] = Array.isArray(found) ? found : []
  const lists = reports.map((report) => (report as Record<string, unknown> | null)?.[kind])
  if (lists.length === 0 || !lists.every(Array.isArray)) {
    throw new KvmioError(`${program}: expected a report of ${kind}, got ${shown(text)}`)
  }
  return (lists.flat() as unknown[]).map((row) => rowOf(row, program))
}

function rowOf(row: unknown, program: string): Row {
  const fail = (field: string, expected: string, value: unknown): never => {
    const got = typeof value === 'string' ? shown(value) : typeof value
    throw new KvmioError(`${program}: ${field}: expected ${expected}, got ${got}`)
  }
  const word = (field: string): string => {
    const value = (row as Record<string, unknown> | null)?.[field]
    return typeof value === 'string' ? value : fail(field, 'text', value)
  }
  const number = (field: string, pattern: RegExp, expected: string): number => {
    const text = word(field)
    return pattern.test(text) ? Number(text) : fail(field, expected, text)
  }
  return {
    word,
    whole: (field) => number(field, /^\d{1,15}$/, 'a whole number of bytes'),
    percent: (field) => number(field, /^(100|\d{1,2})(\.\d+)?$/, 'a percentage') / 100,
  }
}

function json(text: string, program: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new KvmioError(`${program}: expected JSON, got ${shown(text)}`, { cause })
  }
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80))
}
