import { formatBytes } from '../lib/quantities.ts'

/** What a first config is made from: what was found of this host. */
export interface FirstConfigParts {
  /** The state directory: `./.kvmio`, or an absolute path. */
  state: string
  /** Places for directory tiers, the best first; at least one. */
  places: readonly TierPlace[]
  /** Whether a filesystem on an emulated disk can be had. */
  emulated: boolean
  /** Values for the first study, as far as this host has them. */
  buses: readonly string[]
  formats: readonly string[]
  /** Whether a guest with a balloon can be had. */
  balloon: boolean
  /** Whether vms run that kvmio did not start. */
  foreignVms: boolean
  /** LVM volume groups that are there; they are only named in comments. */
  volumeGroups: readonly string[]
}

export interface TierPlace {
  /** Of the tier. */
  name: string
  directory: string
  /** In words: `ext4 on vda, 200 GiB free`. */
  what: string
  /** Only proposed in a comment when this user may not write there. */
  usable: boolean
}

/** The text of a config for this host, which `check` accepts. What could destroy something is a comment. */
export function firstConfig(parts: FirstConfigParts): string {
  const { emulated, buses, formats } = parts
  const usable = parts.places.filter(({ usable }) => usable)
  const tiers = [...usable.map(({ name }) => name), ...(emulated ? ['slow'] : [])]
  return [
    '# Made by kvmio init from what was found on this host. Sizes and times carry their units.',
    '',
    '# Where kvmio keeps what it makes: journal, images, sockets.',
    `state: ${parts.state.replace(/^\.\//, '')}`,
    '',
    ...discoveryLines(parts.foreignVms),
    '',
    '# Classes of storage that vms can be put on.',
    'tiers:',
    ...parts.places.flatMap(placeLines),
    ...(emulated ? EMULATED : []),
    ...parts.volumeGroups.flatMap(volumeGroupLines),
    '# Kinds of machines.',
    'guests:',
    '  # A small Linux that does nothing but its workload, with one disk.',
    '  small:',
    '    system: appliance',
    '    memory: 192MiB',
    ...(parts.balloon
      ? [
          '    # Takes memory back once the guest has written; what it gave back is in kvmio_vm_process_*.',
          '    # balloon: { target: 128MiB, at: settle, freePageReporting: true }',
        ]
      : []),
    '    drives:',
    `      root: { tier: ${tiers[0]}, bus: ${buses[0]}, format: ${formats[0]}, size: 1GiB }`,
    '',
    '# What is compared with what. Each combination of the factors is a case.',
    'studies:',
    '  # Which of these is fastest on this host?',
    '  first:',
    '    guest: small',
    '    vms: 1 # at once',
    '    workload:',
    "      # Boot, write past the guest's cache, wait until the disk is quiet, shut down.",
    '      boot-write-shutdown: { write: 32MiB, blockSize: 64KiB, direct: true, settle: 5s }',
    '    factors:',
    `      drives.root.tier: [${tiers.join(', ')}]`,
    `      drives.root.bus: [${buses.join(', ')}]`,
    `      drives.root.format: [${formats.join(', ')}]`,
    '    blocks: 6 # how often each case runs; fewer give no interval',
    '    # schedule: continuous # started by serve, block after block without end',
    '',
  ].join('\n')
}

function discoveryLines(someRun: boolean): string[] {
  const what =
    '# Vms that kvmio did not start, of libvirt, of Proxmox or by hand, are looked at too.'
  return [what, `${someRun ? '' : '# '}discovery: { qemu: true }`]
}

function placeLines({ name, directory, what, usable }: TierPlace): string[] {
  const latency = name.startsWith('hdd') ? '50ms' : '5ms'
  const lines = [
    `${name}:`,
    `  directory: ${/^[\w./-]+$/.test(directory) ? directory : JSON.stringify(directory)}`,
    `  target: { latency: ${latency} } # what a vm may have to wait`,
  ]
  const capacity =
    '# capacity: { transactionsPerSecond: 400 } # rated; without, it is left for calibration'
  const heading = usable ? [what] : [what, 'This user may not write there.']
  return [
    ...heading.map((line) => `  # ${line}.`.replace(/\.\.$/, '.')),
    ...lines.map((line) => `  ${usable ? '' : '# '}${line}`),
    ...(usable ? [`    ${capacity}`] : []),
    '',
  ]
}

const EMULATED = [
  '  # A stand-in for a 7200 rpm disk: one request at a time, each takes 10 ms, so 100 transactions a second.',
  '  slow:',
  '    filesystem: { type: ext4, size: 2GiB }',
  '    emulate: { serviceTime: 10ms }',
  '    target: { latency: 50ms }',
  '    capacity: { transactionsPerSecond: 100 }',
  '',
]

/** kvmio makes and removes volumes in it, so it is for a person to say so. */
function volumeGroupLines(name: string): string[] {
  return [
    `  # A logical volume for each drive, made in the volume group ${name} and removed from it again.`,
    `  # lvm-${tierWord(name)}:`,
    `  #   volumeGroup: { name: ${name} }`,
    '',
  ]
}

function tierWord(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 16)
}

/** A place in words. */
export function placeWords(
  filesystem: string,
  disks: readonly string[],
  mountPoint: string,
  availableBytes: number,
): string {
  return `${mountPoint}: ${filesystem} on ${disks.join(' and ')}, ${formatBytes(availableBytes)} free`
}
