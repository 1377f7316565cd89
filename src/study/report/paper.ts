import type { MeasureName } from './measures.ts'
import type { Traits } from './record.ts'

// What the paper found, part by part, so that a study that repeats one is held against it. The figures of the paper are
// pictures without numbers in its text: where it names a number it stands here, elsewhere there is a direction alone.

export type Selector = { readonly [K in keyof Traits]?: readonly Traits[K][] }

interface ClaimBase {
  /** What the paper says, in its own terms. */
  found: string
  measure: MeasureName
  cases: Selector
}

/** `cases` come out above `than`: faster, or with more transactions. */
export interface AboveClaim extends ClaimBase {
  kind: 'above'
  than: Selector
  /** Traits that the two may differ in beside those selected. */
  apart?: readonly (keyof Traits)[]
  /** Where a source names it. */
  ratio?: number
}

/** There is no difference worth a choice. */
export interface SameClaim extends ClaimBase {
  kind: 'same'
  than: Selector
  apart?: readonly (keyof Traits)[]
}

/** The measure itself is below, or above, a figure. */
export interface FigureClaim extends ClaimBase {
  kind: 'at most' | 'at least'
  figure: number
}

export type Claim = AboveClaim | SameClaim | FigureClaim

export interface PaperPart {
  name: string
  /** `Figure 2 of the paper`; the article's part has none. */
  figure: string
  title: string
  measure: MeasureName
  setting: string
  claims: readonly Claim[]
}

const DESKTOP = 'Dell Optiplex 755, Core 2 Duo, 7200 rpm SATA disk, Ubuntu 12.04, qemu-kvm 1.0'
const SERVER =
  'IBM System x, two quad-core Xeons, RAID 1 of two 10,000 rpm SAS disks behind a battery-backed cache, CentOS 6.4, qemu-kvm 0.12.1'
const VIRTIO = ['virtio-blk', 'virtio-scsi']
const PREALLOCATED = ['metadata']

const PARTS: readonly PaperPart[] = [
  {
    name: 'buses',
    figure: 'Figure 2 of the paper',
    title: 'Buses',
    measure: 'load',
    setting: `An installation of CentOS 6.3 onto 5 GB of qcow2; ${DESKTOP}`,
    claims: (['ide', 'sata', 'scsi'] as const).map((bus) => ({
      kind: 'above',
      found: `virtio provides by far the best performance, better than ${bus.toUpperCase()}`,
      measure: 'load',
      cases: { bus: ['virtio-blk'] },
      than: { bus: [bus] },
    })),
  },
  {
    name: 'ide-optimizations',
    figure: 'Figure 3 of the paper',
    title: 'Image formats on IDE',
    measure: 'load',
    setting: `The same installation on IDE; ${DESKTOP}`,
    claims: [
      {
        kind: 'above',
        found: 'preallocating the metadata of qcow2 improves IDE',
        measure: 'load',
        cases: { format: ['qcow2'], preallocation: PREALLOCATED, bus: ['ide'] },
        than: { format: ['qcow2'], preallocation: ['off'], bus: ['ide'] },
      },
      {
        kind: 'above',
        found: 'a raw image improves IDE',
        measure: 'load',
        cases: { format: ['raw'], bus: ['ide'] },
        than: { format: ['qcow2'], preallocation: ['off'], bus: ['ide'] },
      },
    ],
  },
  {
    name: 'virtio-optimizations',
    figure: 'Figure 4 of the paper',
    title: 'Image formats on virtio',
    measure: 'load',
    setting: `The same installation on virtio; ${SERVER}`,
    claims: [
      {
        kind: 'same',
        found: 'with virtio, preallocated metadata changes almost nothing',
        measure: 'load',
        cases: { format: ['qcow2'], preallocation: PREALLOCATED, bus: VIRTIO },
        than: { format: ['qcow2'], preallocation: ['off'], bus: VIRTIO },
      },
      {
        kind: 'same',
        found: 'with virtio, a raw image changes almost nothing',
        measure: 'load',
        cases: { format: ['raw'], bus: VIRTIO, volume: [false] },
        than: { format: ['qcow2'], preallocation: ['off'], bus: VIRTIO },
      },
      {
        kind: 'same',
        found: 'with virtio, a logical volume provides no benefit',
        measure: 'load',
        cases: { bus: VIRTIO, volume: [true] },
        than: { format: ['qcow2'], preallocation: ['off'], bus: VIRTIO, volume: [false] },
        apart: ['format', 'filesystem', 'preallocation'],
      },
    ],
  },
  {
    name: 'ext4',
    figure: 'Figure 5 of the paper',
    title: 'ext4: first run, second run, sync mount',
    measure: 'tps',
    setting: `Boot, write 2 GB, wait 100 s, shut down: close to 150 s; ${SERVER}`,
    claims: [
      {
        kind: 'at least',
        found: 'the first run begins with a spike above 100 transactions per second',
        measure: 'peak',
        cases: { hostCache: ['cold'], filesystem: ['ext4'] },
        figure: 100,
      },
      {
        kind: 'above',
        found: 'the first run reads what the second has in its cache',
        measure: 'tps',
        cases: { hostCache: ['cold'], filesystem: ['ext4'] },
        than: { hostCache: ['warm'], filesystem: ['ext4'] },
      },
      {
        kind: 'same',
        found: 'mounting ext4 with sync does not degrade performance',
        measure: 'load',
        cases: { mountOptions: ['sync'], filesystem: ['ext4'] },
        than: { filesystem: ['ext4'], hostCache: ['warm'], mountOptions: [undefined] },
        apart: ['mountOptions', 'hostCache'],
      },
      {
        kind: 'at most',
        found: 'on ext4 a vm makes below 10 transactions per second, in fact around 5',
        measure: 'tps',
        cases: { hostCache: ['warm'], filesystem: ['ext4'], mountOptions: [undefined] },
        figure: 10,
      },
    ],
  },
  {
    name: 'filesystems',
    figure: 'Figure 6 of the paper',
    title: 'Filesystems under the image',
    measure: 'tps',
    setting: `The same cycle; ${SERVER}`,
    claims: (['ext3', 'ext2'] as const).flatMap((slow) =>
      (['ext4', 'reiserfs'] as const).map((good) => ({
        kind: 'above',
        found: `${good} and its like make the fewest transactions: fewer than ${slow}`,
        measure: 'tps',
        cases: { filesystem: [slow] },
        than: { filesystem: [good] },
      })),
    ),
  },
  {
    name: 'lvm',
    figure: 'Figure 7 of the paper',
    title: 'Filesystems and a logical volume',
    measure: 'tps',
    setting: `The same cycle; ${SERVER}`,
    claims: (['ext4', 'ext3', 'ext2', 'reiserfs'] as const).map((filesystem) => ({
      kind: 'above',
      found: `a logical volume gets more transactions than a file on ${filesystem}, which has a cache`,
      measure: 'tps',
      cases: { volume: [true] },
      than: { volume: [false], filesystem: [filesystem] },
      apart: ['format', 'preallocation'],
    })),
  },
  {
    name: 'cache',
    figure: 'The article that the paper builds on',
    title: 'Cache modes',
    measure: 'load',
    setting: 'ilsistemista.net, KVM I/O slowness on RHEL 6: an installation of Debian 6',
    claims: [
      {
        kind: 'above',
        found: 'writethrough degrades an installation heavily, against none',
        measure: 'load',
        cases: { cache: ['none'] },
        than: { cache: ['writethrough'] },
      },
      {
        kind: 'same',
        found: 'there is almost no difference between none and writeback',
        measure: 'load',
        cases: { cache: ['writeback'] },
        than: { cache: ['none'] },
      },
      {
        kind: 'above',
        found: 'without a host cache, raw is five times as fast as qcow2',
        measure: 'load',
        cases: { cache: ['none'], format: ['raw'] },
        than: { cache: ['none'], format: ['qcow2'], preallocation: ['off'] },
        ratio: 5,
      },
      {
        kind: 'same',
        found: 'qcow2 with preallocated metadata practically ties with raw',
        measure: 'load',
        cases: { cache: ['none', 'writeback'], format: ['qcow2'], preallocation: PREALLOCATED },
        than: { cache: ['none', 'writeback'], format: ['raw'] },
      },
    ],
  },
]

/** The part of the paper that a study repeats, by its name: `paper-buses`, `paper-small-buses`, `buses`. */
export function paperPart(study: string): PaperPart | undefined {
  return PARTS.find(({ name }) => study === name || new RegExp(`^paper-(.+-)?${name}$`).test(study))
}
