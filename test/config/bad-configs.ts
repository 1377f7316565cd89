// One mistake a row: what is wrong, the text, and the whole message after the file's name. The file is
// /lab/kvmio.yaml, so that paths are plain.

const tier = (text: string) => `tiers:\n  local: ${text}\n`
const guest = (text: string) => `${tier('{ directory: /images }')}guests:\n  student: ${text}\n`
const drive = (text: string) => guest(`{ drives: { root: ${text} } }`)
const demand = (text: string) =>
  guest(`{ drives: { root: { tier: local, size: 1GiB } }, demand: ${text} }`)
const study = (text: string) =>
  `${drive('{ tier: local, size: 1GiB }')}studies:\n  demo:\n    guest: student\n${text}\n`
/** A study of a guest with the system debian; its workload stands in line 9. */
const inDebian = (drive: string, workload: string, more = '') =>
  `${tier('{ directory: /images }')}guests:
  student: { system: debian,${more}
    drives: { root: ${drive} } }
studies:
  demo:
    guest: student
    workload: ${workload}
`
const write = (text: string) => study(`    workload: { boot-write-shutdown: ${text} }`)
const factors = (text: string) => study(`    workload: { idle: {} }\n    factors: ${text}`)
const install = (text: string, size = '1GiB') =>
  `${drive(`{ tier: local, size: ${size} }`)}studies:\n  demo:\n    guest: student\n    workload: { install: ${text} }\n`
const numbers = (count: number, unit = '') =>
  `[${Array.from({ length: count }, (_, index) => `${index + 1}${unit}`)}]`

const fourTiers = `tiers:
  a: { directory: /a }
  b: { directory: /b }
  a-b: { directory: /ab }
  b-a: { directory: /ba }
guests:
  student:
    drives:
      root: { tier: a, size: 1GiB }
      data: { tier: a, size: 1GiB }
studies:
`
const twoNames = `${fourTiers}  demo:
    guest: student
    workload: { idle: {} }
    factors: { drives.root.tier: [a, a-b], drives.data.tier: [b-a, a] }
`
const twoStudies = `${fourTiers}  demo:
    guest: student
    workload: { idle: {} }
    factors: { drives.root.tier: [a-b] }
  demo-a:
    guest: student
    workload: { idle: {} }
    factors: { drives.root.tier: [b] }
`

export const badConfigs: readonly (readonly [mistake: string, text: string, message: string])[] = [
  // Discovery.
  [
    'discovery by another word',
    'discovery: { qemu: yes }\n',
    '1:20: discovery.qemu: expected true or false, got "yes"',
  ],
  [
    'one QMP socket for all vms',
    'discovery:\n  qemu: true\n  qmp: /run/qmp.sock\n',
    '3:8: discovery.qmp: expected a path with {vm} in it, or a mapping from names of vms to paths, got "/run/qmp.sock"',
  ],
  [
    'a QMP socket without a path',
    'discovery: { qmp: { web1: 1 } }\n',
    '1:27: discovery.qmp.web1: expected a path, got 1',
  ],
  [
    'discovery that is a truth',
    'discovery: true\n',
    '1:12: discovery: expected a mapping, got true',
  ],

  // Density and demand.
  [
    'a cap that is all and more',
    'density: { utilisationCap: 101% }\n',
    '1:28: density.utilisationCap: expected at most 100%, got "101%"',
  ],
  [
    'a cap as a number',
    'density: { cpuCap: 0.8 }\n',
    '1:20: density.cpuCap: expected a share in per cent, such as 5% or 2.5%, got 0.8',
  ],
  [
    'a z score below zero',
    'density: { zScore: -1 }\n',
    '1:20: density.zScore: expected a number from 0 to 10, got -1',
  ],
  [
    'a z score by another name',
    'density: { z: 2 }\n',
    '1:12: density.z: unknown key; known keys are zScore, utilisationCap, cpuCap, memoryReserve',
  ],
  [
    'a reserve without a unit',
    'density: { memoryReserve: 1024 }\n',
    '1:27: density.memoryReserve: expected a size with a unit, such as 64KiB, 192MiB or 4GiB, got 1024',
  ],
  [
    'a demand in two ways',
    demand('{ transactionsPerSecond: { mean: 5 }, deviceTime: { mean: 5% } }'),
    '4:107: guests.student.demand.deviceTime: expected transactionsPerSecond or deviceTime, got both',
  ],
  [
    'a demand below nothing',
    demand('{ transactionsPerSecond: { mean: -5 } }'),
    '4:102: guests.student.demand.transactionsPerSecond.mean: expected a number from 0, got -5',
  ],
  [
    'a demand without a mean',
    demand('{ deviceTime: { sigma: 5% } }'),
    '4:71: guests.student.demand.deviceTime.mean: expected a share in per cent, such as 5% or 2.5%, got nothing',
  ],
  [
    'a class of its own',
    demand('{ transactionsPerSecond: { mean: 5, class: random } }'),
    '4:112: guests.student.demand.transactionsPerSecond.class: expected random-read, random-write, sequential-read, sequential-write or synced-write, got "random"',
  ],
  [
    'a demand that varies',
    `${drive('{ tier: local, size: 1GiB }')}studies:
  demo: { guest: student, workload: { idle: {} }, factors: { demand.cpu: [5%] } }
`,
    '6:62: studies.demo.factors.demand.cpu: expected a key of the guest or the study: system, memory, balloon, vcpus, accel, deadlines, drives, workload, vms, stagger or hostCache, got "demand"',
  ],

  // The text.
  ['empty', '', '1:1: expected a mapping with tiers, guests and studies, got an empty file'],
  [
    'comments alone',
    '# to do\n',
    '1:1: expected a mapping with tiers, guests and studies, got nothing',
  ],
  ['a list', '- state\n', '1:1: expected a mapping with tiers, guests and studies, got a list'],
  [
    'text',
    'hello world\n',
    '1:1: expected a mapping with tiers, guests and studies, got "hello world"',
  ],
  [
    'not YAML',
    'state: a: b\n',
    '1:8: expected YAML: Nested mappings are not allowed in compact mappings',
  ],
  [
    'an open bracket',
    'tiers: {\n',
    '2:1: expected YAML: Flow map in block collection must be sufficiently indented and end with a }',
  ],
  ['a tab', 'tiers:\n\tlocal: { directory: x }\n', '2:1: expected spaces to indent, got a tab'],
  [
    'a tab after spaces',
    'tiers:\n  local: {\n  \tdirectory: x }\n',
    '3:3: expected spaces to indent, got a tab',
  ],
  [
    'a tab in brackets',
    'tiers: {\n\tlocal: { directory: x } }\n',
    '2:1: expected spaces to indent, got a tab',
  ],
  [
    'a key twice',
    'state: a\nqemu: {}\nstate: b\n',
    '3:1: state: expected each key once, got it again after line 1',
  ],
  [
    'a name twice',
    'tiers:\n  a: { directory: x }\n  a: { directory: y }\n',
    '3:3: tiers.a: expected each key once, got it again after line 2',
  ],
  ['two documents', 'state: a\n---\nstate: b\n', '2:1: expected one document, got a second one'],
  ['a tag', 'state: !path a\n', '1:8: expected values without tags, got !path'],
  ['an old YAML', '%YAML 1.1\n---\nstate: a\n', '1:1: expected YAML 1.2, got 1.1'],
  ['an alias of nothing', 'state: *home\n', '1:8: expected an alias of an anchor above, got *home'],
  [
    'a list as key',
    '? [a, b]\n: c\n',
    '1:3: expected a plain key, got a list, a mapping or an alias',
  ],
  [
    'a prototype',
    'tiers:\n  __proto__: { directory: x }\n',
    '2:3: expected another key, got "__proto__"',
  ],
  ['Windows line ends', 'state: a\r\nqemu: 5\r\n', '2:7: qemu: expected a mapping, got 5'],
  ['a byte order mark', '\uFEFFqemu: 5\n', '1:7: qemu: expected a mapping, got 5'],

  // Single keys.
  [
    'an age beyond ten years',
    'retention: { samples: { age: 9000d } }\n',
    '1:30: retention.samples.age: expected at most 3650d, got "9000d"',
  ],
  [
    'an age without a unit',
    'retention: { images: { age: 90 } }\n',
    '1:29: retention.images.age: expected a duration with a unit, such as 10ms, 30s or 5m, got 90',
  ],
  [
    'a floor in per cent',
    'freeSpaceFloor: 5%\n',
    '1:17: freeSpaceFloor: expected a size with a unit, such as 64KiB, 192MiB or 4GiB, got "5%"',
  ],
  [
    'neighbours as a number',
    study('    workload: { idle: {} }\n    neighbours: 0.05'),
    '9:17: studies.demo.neighbours: expected a share in per cent, such as 5% or 2.5%, got 0.05',
  ],
  [
    'no try',
    study('    workload: { idle: {} }\n    tries: 0'),
    '9:12: studies.demo.tries: expected a whole number from 1 to 20, got 0',
  ],
  [
    'an unknown key',
    'stat: .kvmio\n',
    '1:1: stat: unknown key; known keys are state, qemu, retention, freeSpaceFloor, discovery, density, tiers, guests, studies; did you mean state?',
  ],
  [
    'an unknown key like no other',
    'prometheus: {}\n',
    '1:1: prometheus: unknown key; known keys are state, qemu, retention, freeSpaceFloor, discovery, density, tiers, guests, studies',
  ],
  [
    'an unknown key of a drive',
    drive('{ tier: local, size: 1GiB, cahce: none }'),
    '4:57: guests.student.drives.root.cahce: unknown key; known keys are tier, passthrough, bus, format, size, preallocation, clusterSize, lazyRefcounts, extendedL2, backing, cache, aio, discard, detectZeroes, iothread, queues, throttle; did you mean cache?',
  ],
  [
    'a key that is a number',
    '1: 2\n',
    '1:1: 1: unknown key; known keys are state, qemu, retention, freeSpaceFloor, discovery, density, tiers, guests, studies',
  ],
  [
    'nothing where tiers belong',
    'tiers:\nguests: {}\n',
    '1:1: tiers: expected a mapping, got nothing',
  ],
  [
    'a list where a mapping belongs',
    'tiers: [local]\n',
    '1:8: tiers: expected a mapping, got a list',
  ],
  ['a number where a path belongs', 'state: 5\n', '1:8: state: expected a path, got 5'],
  ['an empty path', 'state: ""\n', '1:8: state: expected a path, got ""'],
  ['a path with a zero', 'state: "a\\0b"\n', '1:8: state: expected a path, got "a\\u0000b"'],
  [
    'a mapping where a path belongs',
    'qemu: { binary: { path: qemu } }\n',
    '1:17: qemu.binary: expected a path, got a mapping with path',
  ],
  [
    'root as user',
    'qemu: { user: 0 }\n',
    '1:15: qemu.user: expected a whole number from 1 to 2147483648, got 0',
  ],
  [
    'a size without a unit',
    guest('{ memory: 192, drives: { a: { tier: local, size: 1GiB } } }'),
    '4:22: guests.student.memory: expected a size with a unit, such as 64KiB, 192MiB or 4GiB, got 192',
  ],
  [
    'a size with another unit',
    drive('{ tier: local, size: 10GB }'),
    '4:51: guests.student.drives.root.size: expected a size with a unit, such as 64KiB, 192MiB or 4GiB, got "10GB"',
  ],
  [
    'a negative size',
    drive('{ tier: local, size: -1GiB }'),
    '4:51: guests.student.drives.root.size: expected a size with a unit, such as 64KiB, 192MiB or 4GiB, got "-1GiB"',
  ],
  [
    'no bytes',
    drive('{ tier: local, size: 0B }'),
    '4:51: guests.student.drives.root.size: expected at least 1MiB, got "0B"',
  ],
  [
    'an absurd size',
    drive('{ tier: local, size: 900TiB }'),
    '4:51: guests.student.drives.root.size: expected at most 16TiB, got "900TiB"',
  ],
  [
    'a size beyond numbers',
    drive('{ tier: local, size: 99999999999TiB }'),
    '4:51: guests.student.drives.root.size: expected a size with a unit, such as 64KiB, 192MiB or 4GiB, got "99999999999TiB"',
  ],
  [
    'too little memory',
    guest('{ memory: 1MiB, drives: { a: { tier: local, size: 1GiB } } }'),
    '4:22: guests.student.memory: expected at least 32MiB, got "1MiB"',
  ],
  [
    'too little memory for the appliance',
    guest('{ memory: 64MiB, drives: { a: { tier: local, size: 1GiB } } }'),
    '4:22: guests.student.memory: expected at least 104MiB for the appliance, got 64MiB',
  ],
  [
    'a balloon that takes all that the appliance needs',
    guest('{ balloon: { target: 64MiB }, drives: { a: { tier: local, size: 1GiB } } }'),
    '4:33: guests.student.balloon.target: expected at least 104MiB for the appliance, got 64MiB',
  ],
  [
    'a balloon that gives',
    guest(
      '{ memory: 128MiB, balloon: { target: 192MiB }, drives: { a: { tier: local, size: 1GiB } } }',
    ),
    "4:49: guests.student.balloon.target: expected at most the guest's memory, 128MiB, got 192MiB",
  ],
  [
    'a phase for no target',
    guest('{ balloon: { at: write }, drives: { a: { tier: local, size: 1GiB } } }'),
    '4:29: guests.student.balloon.at: expected a target for what is set at a phase',
  ],
  [
    'guest figures every second and a half',
    guest('{ balloon: { poll: 1500ms }, drives: { a: { tier: local, size: 1GiB } } }'),
    '4:31: guests.student.balloon.poll: expected whole seconds, got "1500ms"',
  ],
  [
    'a balloon that waits for a phase that never comes',
    study('    workload: { idle: {} }').replace(
      '{ drives',
      '{ balloon: { target: 128MiB, at: write }, drives',
    ),
    '7:12: studies.demo.guest: expected a guest whose balloon waits for a phase of idle: boot, idle or shutdown, got student, whose balloon waits for write',
  ],
  [
    'a factor of phases that never come',
    factors('{ balloon.at: [boot, writ] }').replace(
      '{ drives',
      '{ balloon: { target: 128MiB }, drives',
    ),
    '9:35: studies.demo.factors.balloon.at[1]: expected a phase of idle: boot, idle or shutdown, got "writ"',
  ],
  [
    'absurd memory',
    guest('{ memory: 2TiB, drives: { a: { tier: local, size: 1GiB } } }'),
    '4:22: guests.student.memory: expected at most 1TiB, got "2TiB"',
  ],
  [
    'half a processor',
    guest('{ vcpus: 0.5, drives: { a: { tier: local, size: 1GiB } } }'),
    '4:21: guests.student.vcpus: expected a whole number from 1 to 64, got 0.5',
  ],
  [
    'a duration without a unit',
    tier('{ directory: x, target: { latency: 5 } }'),
    '2:45: tiers.local.target.latency: expected a duration with a unit, such as 10ms, 30s or 5m, got 5',
  ],
  [
    'a duration too long for a timer',
    study('    workload: { idle: { time: 60d } }'),
    '8:31: studies.demo.workload.idle.time: expected at most 24d, got "60d"',
  ],
  [
    'no size',
    drive('{ tier: local }'),
    '4:24: guests.student.drives.root.size: expected a size with a unit, such as 64KiB, 192MiB or 4GiB, got nothing',
  ],
  [
    'a drive that is nowhere',
    drive('{ size: 1GiB }'),
    '4:24: guests.student.drives.root: expected exactly one of tier and passthrough, got neither',
  ],
  [
    'a drive in two places',
    drive('{ tier: local, passthrough: { pci: 0000:01:00.0 } }'),
    '4:24: guests.student.drives.root: expected exactly one of tier and passthrough, got both',
  ],
  [
    'a PCI function by another name',
    drive('{ passthrough: { pci: nvme0 } }'),
    '4:52: guests.student.drives.root.passthrough.pci: expected the address of a PCI function, such as 0000:01:00.0, got "nvme0"',
  ],
  [
    'a size of a disk that has its own',
    drive('{ passthrough: { pci: 0000:01:00.0 }, size: 1GiB }'),
    '4:68: guests.student.drives.root.size: expected no size beside passthrough: it is for a drive on a tier',
  ],
  [
    'a cache of what passes the host by',
    drive('{ passthrough: { pci: 0000:01:00.0 }, cache: writeback }'),
    '4:68: guests.student.drives.root.cache: expected no cache beside passthrough: it is for a drive on a tier',
  ],
  [
    'another disk given up than the one that is passed through',
    drive('{ passthrough: { pci: 0000:01:00.0, overwrite: yes-destroy-root } }'),
    '4:77: guests.student.drives.root.passthrough.overwrite: expected yes-destroy-0000:01:00.0 or nothing, got "yes-destroy-root"',
  ],
  [
    'one function as two drives',
    guest(
      '{ drives: { a: { passthrough: { pci: 0000:01:00.0 } }, b: { passthrough: { pci: 0000:01:00.0 } } } }',
    ),
    '4:92: guests.student.drives.b.passthrough.pci: expected a function of its own, got that of drive a: 0000:01:00.0',
  ],
  [
    'one function in two vms',
    `${drive('{ passthrough: { pci: 0000:01:00.0 } }')}studies:\n  demo: { guest: student, vms: 2, workload: { idle: {} } }\n`,
    '6:32: studies.demo.vms: drive root is passed through, for one vm at a time, got 2 vms at once',
  ],
  [
    'no drives',
    guest('{ memory: 1GiB }'),
    '4:3: guests.student.drives: expected a mapping, got nothing',
  ],
  [
    'an empty mapping of drives',
    guest('{ drives: {} }'),
    '4:22: guests.student.drives: expected at least one drive, got an empty mapping',
  ],
  [
    'an unknown bus',
    drive('{ tier: local, size: 1GiB, bus: virtio }'),
    '4:62: guests.student.drives.root.bus: expected virtio-blk, virtio-scsi, ide, sata, scsi, pvscsi or nvme, got "virtio"',
  ],
  [
    'a misspelt format',
    drive('{ tier: local, size: 1GiB, format: qcow }'),
    '4:65: guests.student.drives.root.format: expected qcow2 or raw, got "qcow"; did you mean qcow2?',
  ],
  [
    'an unknown system',
    guest('{ system: windows, drives: { a: { tier: local, size: 1GiB } } }'),
    '4:22: guests.student.system: expected appliance, debian, or a mapping with kernel or image, got "windows"',
  ],
  [
    'a system without kernel',
    guest('{ system: { initrd: i }, drives: { a: { tier: local, size: 1GiB } } }'),
    '4:14: guests.student.system.kernel: expected a path, got nothing',
  ],
  [
    'a misspelt key of a system',
    guest('{ system: { kernel: k, intrd: i }, drives: { a: { tier: local, size: 1GiB } } }'),
    '4:35: guests.student.system.intrd: unknown key; known keys are kernel, initrd, append; did you mean initrd?',
  ],
  [
    'a slash in a name',
    'tiers: { a/b: { directory: x } }\n',
    '1:10: tiers."a/b": expected a name of at most 24 lower-case letters, digits and dashes, got "a/b"',
  ],
  [
    'a comma in a name',
    drive('{ tier: local, size: 1GiB }').replace('root', '"a,b"'),
    '4:24: guests.student.drives."a,b": expected a name of at most 20 lower-case letters, digits and dashes, got "a,b"',
  ],
  [
    'a capital in a name',
    'tiers: { Local: { directory: x } }\n',
    '1:10: tiers.Local: expected a name of at most 24 lower-case letters, digits and dashes, got "Local"',
  ],
  [
    'a long name',
    `tiers: { ${'x'.repeat(25)}: { directory: x } }\n`,
    '1:10: tiers.xxxxxxxxxxxxxxxxxxxxxxxxx: expected a name of at most 24 lower-case letters, digits and dashes, got "xxxxxxxxxxxxxxxxxxxxxxxxx"',
  ],
  [
    'a drive name too long for a serial number',
    drive('{ tier: local, size: 1GiB }').replace('root', 'x'.repeat(21)),
    '4:24: guests.student.drives.xxxxxxxxxxxxxxxxxxxxx: expected a name of at most 20 lower-case letters, digits and dashes, got "xxxxxxxxxxxxxxxxxxxxx"',
  ],
  [
    'an empty name',
    'tiers: { "": { directory: x } }\n',
    '1:10: tiers."": expected a name of at most 24 lower-case letters, digits and dashes, got ""',
  ],
  [
    'no transactions',
    tier('{ directory: x, capacity: { transactionsPerSecond: 0 } }'),
    '2:61: tiers.local.capacity.transactionsPerSecond: expected a number above 0, got 0',
  ],
  [
    'a fraction of a millisecond',
    tier('{ filesystem: { size: 1GiB }, emulate: { serviceTime: 2.5ms } }'),
    '2:64: tiers.local.emulate.serviceTime: expected whole milliseconds, at least 1ms, got "2.5ms"',
  ],
  [
    'a disk that is stuck rather than slow',
    tier('{ filesystem: { size: 1GiB }, emulate: { serviceTime: 20s } }'),
    '2:64: tiers.local.emulate.serviceTime: expected at most 1s, got "20s"',
  ],
  [
    'no time at all',
    tier('{ filesystem: { size: 1GiB }, emulate: { serviceTime: 0ms } }'),
    '2:64: tiers.local.emulate.serviceTime: expected whole milliseconds, at least 1ms, got "0ms"',
  ],
  [
    'a number where a directory belongs',
    tier('{ directory: 5 }'),
    '2:23: tiers.local.directory: expected a path, got 5',
  ],
  [
    'less than a millisecond',
    tier('{ filesystem: { size: 1GiB }, emulate: { serviceTime: 900us } }'),
    '2:64: tiers.local.emulate.serviceTime: expected whole milliseconds, at least 1ms, got "900us"',
  ],
  [
    'a workload that is text',
    study('    workload: idle'),
    '8:15: studies.demo.workload: expected a mapping, got "idle"',
  ],
  [
    'a workload without its keys',
    study('    workload: { idle: }'),
    '8:17: studies.demo.workload.idle: expected a mapping, got nothing',
  ],
  [
    'no workload',
    study('    vms: 2'),
    '6:3: studies.demo.workload: expected a mapping, got nothing',
  ],
  [
    'an empty workload',
    study('    workload: {}'),
    '8:15: studies.demo.workload: expected exactly one of install, boot-write-shutdown, idle, fio and script, got an empty mapping',
  ],
  [
    'two workloads',
    study('    workload: { idle: {}, boot-write-shutdown: {} }'),
    '8:15: studies.demo.workload: expected exactly one of install, boot-write-shutdown, idle, fio and script, got a mapping with idle, boot-write-shutdown',
  ],
  [
    'an unknown workload',
    study('    workload: { fioo: {} }'),
    '8:17: studies.demo.workload.fioo: unknown key; known keys are install, boot-write-shutdown, idle, fio, script; did you mean fio?',
  ],
  [
    'fio without a job',
    study('    workload: { fio: {} }'),
    '8:17: studies.demo.workload.fio.job: expected the path of a fio job file, or its lines, got nothing',
  ],
  [
    'fio with an empty job',
    study('    workload: { fio: { job: "" } }'),
    '8:29: studies.demo.workload.fio.job: expected the path of a fio job file, or its lines, got ""',
  ],
  [
    'a script without lines',
    study('    workload: { script: { timeout: 5s } }'),
    '8:25: studies.demo.workload.script: expected exactly one of file and run, got a mapping with timeout',
  ],
  [
    'a script that the host would end first',
    study('    workload: { script: { run: a, timeout: 1h } }'),
    "8:44: studies.demo.workload.script.timeout: expected less than 30 min 0 s, the guest's deadlines.phase, got 1 h 0 min",
  ],
  [
    'a script twice',
    study('    workload: { script: { file: a.sh, run: "true" } }'),
    '8:25: studies.demo.workload.script: expected exactly one of file and run, got a mapping with file, run',
  ],
  [
    'fio in the appliance',
    study('    workload: { fio: { job: a.fio } }'),
    '8:17: studies.demo.workload.fio: the appliance has no fio; expected a guest with the system debian or an image',
  ],
  [
    'the bare disk under the system',
    inDebian('{ tier: local, size: 1GiB }', '{ fio: { job: a.fio, to: device } }'),
    '9:40: studies.demo.workload.fio.to: expected filesystem on drive root, which the system is on, got device',
  ],
  [
    'a write into what the system leaves',
    inDebian('{ tier: local, size: 1GiB }', '{ boot-write-shutdown: { write: 512MiB } }'),
    '9:47: studies.demo.workload.boot-write-shutdown.write: expected at most 460.8 MiB (nine tenths of what the system leaves of drive root), got 512 MiB',
  ],
  [
    'a drive that the system does not fit on',
    inDebian('{ tier: local, size: 512MiB }', '{ idle: {} }'),
    '5:42: guests.student.drives.root.size: expected at least 1 GiB for the system debian, which is on it, got 512 MiB',
  ],
  [
    'a system on a drive that is passed through',
    inDebian("{ passthrough: { pci: '0000:01:00.0' } }", '{ idle: {} }'),
    '5:36: guests.student.drives.root.passthrough: expected none on the first drive, which the system is on, got one',
  ],
  [
    'too little memory for debian',
    inDebian('{ tier: local, size: 1GiB }', '{ idle: {} }', ' memory: 96MiB,'),
    '4:38: guests.student.memory: expected at least 160MiB for debian, got 96MiB',
  ],
  [
    'too little memory for fio',
    inDebian('{ tier: local, size: 1GiB }', '{ fio: { job: "[a]" } }', ' memory: 160MiB,'),
    '9:17: studies.demo.workload.fio: expected a guest with at least 192 MiB of memory, got 160 MiB',
  ],
  [
    'an installation onto a drive that is too small',
    install('{ packages: minbase }', '500MiB'),
    '8:17: studies.demo.workload.install: expected at least 512 MiB on drive root for minbase, got 500 MiB',
  ],
  [
    'an installation into too little memory',
    install('{ packages: minbase }'),
    '8:17: studies.demo.workload.install: expected a guest with at least 256 MiB of memory, got 192 MiB',
  ],
  [
    'an installation onto no drive',
    install('{ drive: rot }'),
    '8:35: studies.demo.workload.install.drive: expected a drive of guest student: root, got "rot"; did you mean root?',
  ],
  [
    'an unknown set of packages',
    install('{ packages: everything }'),
    '8:38: studies.demo.workload.install.packages: expected minimal, minbase, debian or a list of packages, got "everything"',
  ],
  [
    'an ISO image and a kernel',
    install('{ iso: a.iso, kernel: vmlinuz }'),
    '8:33: studies.demo.workload.install.iso: expected a kernel or an ISO image to boot, got both; media is an ISO beside a kernel',
  ],
  [
    'answers without a kernel',
    install('{ iso: a.iso, files: { ks.cfg: ks.cfg } }'),
    '8:47: studies.demo.workload.install.files: expected kernel beside files, got none',
  ],
  [
    "packages for an installer of one's own",
    install('{ kernel: vmlinuz, packages: [vim] }'),
    "8:55: studies.demo.workload.install.packages: expected them for the built-in installer alone, got one's own",
  ],
  [
    'an end of the built-in installer',
    install('{ done: reboot }'),
    "8:34: studies.demo.workload.install.done: expected kernel or iso, an installer of one's own, beside done, got neither",
  ],
  [
    'a file with a path for a name',
    install('{ kernel: vmlinuz, files: { ../ks: ks } }'),
    '8:54: studies.demo.workload.install.files."../ks": expected a plain file name, got "../ks"',
  ],
  [
    'an unknown schedule',
    study('    workload: { idle: {} }\n    schedule: daily'),
    '9:15: studies.demo.schedule: expected continuous, got "daily"',
  ],
  [
    'a thousand vms',
    study('    workload: { idle: {} }\n    vms: 1000'),
    '9:10: studies.demo.vms: expected a whole number from 1 to 500, got 1000',
  ],
  [
    'no values of a factor',
    factors('{ drives.root.bus: [] }'),
    '9:33: studies.demo.factors.drives.root.bus: expected at least one value, got an empty list',
  ],
  [
    'a mapping as value of a factor',
    factors('{ drives.root.bus: [{ bus: ide }, ide] }'),
    '9:34: studies.demo.factors.drives.root.bus[0]: expected text, a number, true or false, got a mapping with bus',
  ],

  // More than one key.
  [
    'neither size nor device',
    tier('{ filesystem: { type: ext4 } }'),
    '2:12: tiers.local.filesystem: expected exactly one of size and device, got neither',
  ],
  [
    'both size and device',
    tier('{ filesystem: { size: 1GiB, device: /dev/sdb } }'),
    '2:12: tiers.local.filesystem: expected exactly one of size and device, got both',
  ],
  [
    'a relative device',
    tier('{ device: sdb }'),
    '2:20: tiers.local.device: expected the absolute path of a block device, such as /dev/disk/by-id/ata-EXAMPLE, got "sdb"',
  ],
  [
    'a relative device under a filesystem',
    tier('{ filesystem: { device: sdb } }'),
    '2:34: tiers.local.filesystem.device: expected the absolute path of a block device, such as /dev/disk/by-id/ata-EXAMPLE, got "sdb"',
  ],
  [
    'an unknown filesystem',
    tier('{ filesystem: { type: reiser4, size: 1GiB } }'),
    '2:32: tiers.local.filesystem.type: expected ext4, ext3, ext2, xfs, btrfs or reiserfs, got "reiser4"; did you mean reiserfs?',
  ],
  [
    'mkfs options that are text',
    tier('{ filesystem: { size: 1GiB, mkfs: "-b 1024" } }'),
    '2:44: tiers.local.filesystem.mkfs: expected a list, got "-b 1024"',
  ],
  [
    "an mkfs option of kvmio's own",
    tier('{ filesystem: { size: 1GiB, mkfs: [-b, "1024", -L, mine] } }'),
    '2:57: tiers.local.filesystem.mkfs[2]: expected an option of mkfs.ext4: -b, -C, -E, -G, -g, -I, -i, -J, -m, -N, -O, -r, -T, -D or -j, got "-L"',
  ],
  [
    'another device for mkfs',
    tier('{ filesystem: { type: btrfs, size: 1GiB, mkfs: [/dev/sdb] } }'),
    '2:58: tiers.local.filesystem.mkfs[0]: expected an option of mkfs.btrfs: --csum, -A, -O, -R, -d, -m, -n, -s or -M, got "/dev/sdb"',
  ],
  [
    'a journal on another device',
    tier('{ filesystem: { size: 1GiB, mkfs: [-J, device=LABEL=log] } }'),
    '2:49: tiers.local.filesystem.mkfs[1]: expected a value of -J that names no file or device, got "device=LABEL=log"',
  ],
  [
    'a file for mkfs',
    tier('{ filesystem: { type: xfs, size: 1GiB, mkfs: [-d, name=img] } }'),
    '2:60: tiers.local.filesystem.mkfs[1]: expected a value of -d that names no file or device, got "name=img"',
  ],
  [
    'an option after an option without its value',
    tier('{ filesystem: { size: 1GiB, mkfs: [-b, -O] } }'),
    '2:49: tiers.local.filesystem.mkfs[1]: expected a value of -b that names no file or device, got "-O"',
  ],
  [
    'an mkfs option without its value',
    tier('{ filesystem: { size: 1GiB, mkfs: [-b] } }'),
    '2:45: tiers.local.filesystem.mkfs[0]: expected a value after -b, got nothing',
  ],
  [
    'an mkfs option that is a number',
    tier('{ filesystem: { size: 1GiB, mkfs: [-b, 1024] } }'),
    '2:49: tiers.local.filesystem.mkfs[1]: expected a word of the command line of mkfs, got 1024',
  ],
  [
    'two mount options in one',
    tier('{ filesystem: { size: 1GiB, mount: ["sync,noatime"] } }'),
    '2:46: tiers.local.filesystem.mount[0]: expected one mount option, such as noatime or data=journal, got "sync,noatime"',
  ],
  [
    'a read-only mount',
    tier('{ filesystem: { size: 1GiB, mount: [sync, ro] } }'),
    '2:52: tiers.local.filesystem.mount[1]: expected a mount option that leaves to kvmio what it mounts and where, got "ro"',
  ],
  [
    'a mount of something else',
    tier('{ filesystem: { size: 1GiB, mount: ["offset=0"] } }'),
    '2:46: tiers.local.filesystem.mount[0]: expected a mount option that leaves to kvmio what it mounts and where, got "offset=0"',
  ],
  [
    'a log elsewhere',
    tier('{ filesystem: { type: xfs, size: 1GiB, mount: [logdev=sdb] } }'),
    '2:57: tiers.local.filesystem.mount[0]: expected a mount option that leaves to kvmio what it mounts and where, got "logdev=sdb"',
  ],
  [
    'an emulated disk of no kind',
    tier('{ filesystem: { size: 1GiB }, emulate: { parallel: 2 } }'),
    '2:49: tiers.local.emulate: expected serviceTime, bytesPerSecond or both, got a mapping with parallel',
  ],
  [
    'an emulated disk that serves nothing at a time',
    tier('{ filesystem: { size: 1GiB }, emulate: { serviceTime: 10ms, parallel: 0 } }'),
    '2:80: tiers.local.emulate.parallel: expected a whole number from 1 to 8, got 0',
  ],
  [
    'an emulated disk too slow for its largest request',
    tier('{ filesystem: { size: 1GiB }, emulate: { bytesPerSecond: 1KiB } }'),
    '2:67: tiers.local.emulate.bytesPerSecond: expected at least 512KiB, got "1KiB"',
  ],
  [
    'an emulated disk under a device',
    tier('{ device: /dev/sdb, emulate: { serviceTime: 10ms } }'),
    '2:30: tiers.local.emulate: expected a filesystem to put the emulated disk under, got a device',
  ],
  [
    'a volume group without a name',
    tier('{ volumeGroup: { thinPool: pool } }'),
    '2:12: tiers.local.volumeGroup.name: expected the name of an LVM volume group, got nothing',
  ],
  [
    'a volume group that is a path',
    tier('{ volumeGroup: { name: /dev/vg0 } }'),
    '2:33: tiers.local.volumeGroup.name: expected the name of an LVM volume group, got "/dev/vg0"',
  ],
  [
    'a thin pool that is an option',
    tier('{ volumeGroup: { name: vg0, thinPool: -y } }'),
    '2:48: tiers.local.volumeGroup.thinPool: expected the name of a thin pool, got "-y"',
  ],
  [
    'a consent to nothing',
    tier('{ directory: x, overwrite: yes-destroy-x }'),
    '2:26: tiers.local.overwrite: expected a device that may be overwritten, got a tier without one',
  ],
  [
    'a consent to another device',
    tier('{ device: /dev/sdb, overwrite: yes-destroy-sda }'),
    '2:41: tiers.local.overwrite: expected yes-destroy-sdb, got "yes-destroy-sda"',
  ],
  [
    'a consent that is a mere yes',
    tier('{ filesystem: { device: /dev/disk/by-id/ata-ABC }, overwrite: "yes" }'),
    '2:72: tiers.local.overwrite: expected yes-destroy-ata-ABC, got "yes"',
  ],
  [
    'a device twice',
    'tiers:\n  a: { device: /dev/sdb }\n  b: { filesystem: { device: /dev/sdb } }\n',
    '3:30: tiers.b.filesystem.device: expected a device of its own, got that of tier a',
  ],
  [
    'a URL twice',
    'tiers:\n  a: { url: "nbd://h/a" }\n  b: { url: "nbd://h/a" }\n',
    '3:13: tiers.b.url: expected a URL of its own, got that of tier a',
  ],
  [
    'a URL that cannot be written to',
    tier('{ url: "https://host/disk" }'),
    '2:17: tiers.local.url: expected a URL that begins with nbd://, nbd+unix://, nfs://, iscsi://, rbd://, gluster:// or gluster+unix://, got "https://host/disk"',
  ],
  [
    'a URL without a host',
    tier('{ url: "nbd:///disk" }'),
    '2:17: tiers.local.url: expected nbd://HOST[:PORT]/[EXPORT], got "nbd:///disk"',
  ],
  [
    'a URL without a LUN',
    tier('{ url: "iscsi://host/iqn.2001-04.com.example:disk" }'),
    '2:17: tiers.local.url: expected iscsi://[USER@]HOST[:PORT]/TARGET/LUN, got "iscsi://host/iqn.2001-04.com.example:disk"',
  ],
  [
    'a URL without a socket',
    tier('{ url: "nbd+unix:///disk" }'),
    '2:17: tiers.local.url: expected nbd+unix:///[EXPORT]?socket=PATH, got "nbd+unix:///disk"',
  ],
  [
    'a URL with an unknown word',
    tier('{ url: "nfs://host/disk?version=4" }'),
    '2:17: tiers.local.url: expected nfs://HOST/PATH[?uid=UID&gid=GID], got "nfs://host/disk?version=4"',
  ],
  [
    'a URL with a password',
    tier('{ url: "iscsi://me:secret@host/target/0" }'),
    '2:17: tiers.local.url: expected a URL without a password, got one; write it to a file and name that in passwordFile',
  ],
  [
    'a URL with a password where no user belongs',
    tier('{ url: "ftp://me:secret@host/disk" }'),
    '2:17: tiers.local.url: expected a URL that begins with nbd://, nbd+unix://, nfs://, iscsi://, rbd://, gluster:// or gluster+unix://, got "ftp://me:***@host/disk"',
  ],
  [
    'a password without a user',
    tier('{ url: "iscsi://host/target/0", passwordFile: secret }'),
    '2:42: tiers.local.passwordFile: expected a url with a user (iscsi://USER@…, rbd://USER@…), got one without',
  ],
  [
    'a password for nothing',
    tier('{ directory: x, passwordFile: secret }'),
    '2:26: tiers.local.passwordFile: expected a url to use it for, got none',
  ],
  [
    'qcow2 on a URL',
    drive('{ tier: local, size: 1GiB, format: qcow2 }').replace(
      '{ directory: /images }',
      '{ url: "nbd://host/disk" }',
    ),
    '4:65: guests.student.drives.root.format: expected format raw on tier local, whose url names a disk that is there, got qcow2',
  ],
  [
    'two vms on one device',
    study('    workload: { idle: {} }\n    vms: 2').replace(
      '{ directory: /images }',
      '{ device: /dev/sdb }',
    ),
    '9:10: studies.demo.vms: tier local is a device, for one drive of one vm at a time, got 2 vms at once',
  ],
  [
    'no kind of tier',
    tier('{ target: { latency: 5ms } }'),
    '2:3: tiers.local: expected exactly one of directory, filesystem, volumeGroup, device and url, got none of them',
  ],
  [
    'two kinds of tier',
    tier('{ directory: x, filesystem: { size: 1GiB } }'),
    '2:3: tiers.local: expected exactly one of directory, filesystem, volumeGroup, device and url, got directory and filesystem',
  ],
  [
    'an emulated disk under a directory',
    tier('{ directory: x, emulate: { serviceTime: 10ms } }'),
    '2:26: tiers.local.emulate: expected a filesystem to put the emulated disk under, got a directory',
  ],
  [
    'the root as tier',
    tier('{ directory: / }'),
    '2:23: tiers.local.directory: expected a directory for images alone, got /',
  ],
  [
    'a tier around the state',
    tier('{ directory: . }'),
    '2:23: tiers.local.directory: expected a directory that does not hold the state directory /lab/.kvmio, got /lab',
  ],
  [
    'a tier that is the state',
    tier('{ directory: ./.kvmio/ }'),
    '2:23: tiers.local.directory: expected a directory that does not hold the state directory /lab/.kvmio, got /lab/.kvmio',
  ],
  [
    'a tier around a state of its own',
    `state: /var/lib/kvmio\n${tier('{ directory: /var }')}`,
    '3:23: tiers.local.directory: expected a directory that does not hold the state directory /var/lib/kvmio, got /var',
  ],
  [
    'a directory twice',
    'tiers:\n  a: { directory: x }\n  b: { directory: ../lab/x/ }\n',
    '3:19: tiers.b.directory: expected a directory of its own, got that of tier a: /lab/x',
  ],
  [
    'an unknown tier',
    drive('{ tier: locl, size: 1GiB }'),
    '4:38: guests.student.drives.root.tier: expected a tier: local, got "locl"; did you mean local?',
  ],
  [
    'no tier to know',
    drive('{ tier: local, size: 1GiB }').replace(/^.*\n.*\n/, ''),
    '2:38: guests.student.drives.root.tier: expected a tier, but there is none, got "local"',
  ],
  [
    'native in the page cache',
    drive('{ tier: local, size: 1GiB, cache: writeback, aio: native }'),
    '4:80: guests.student.drives.root.aio: aio native needs cache none or directsync (it works on O_DIRECT alone), got cache writeback',
  ],
  [
    'an unknown guest',
    study('    workload: { idle: {} }').replace('guest: student', 'guest: studnet'),
    '7:12: studies.demo.guest: expected a guest: student, got "studnet"; did you mean student?',
  ],
  [
    'an unknown drive of a workload',
    write('{ drive: rot }'),
    '8:47: studies.demo.workload.boot-write-shutdown.drive: expected a drive of guest student: root, got "rot"; did you mean root?',
  ],
  [
    'a write larger than the disk',
    write('{ write: 2GiB, to: device }'),
    '8:47: studies.demo.workload.boot-write-shutdown.write: expected at most 1 GiB (the size of drive root), got 2 GiB',
  ],
  [
    'a write larger than the filesystem',
    write('{ write: 1GiB }'),
    '8:47: studies.demo.workload.boot-write-shutdown.write: expected at most 921.6 MiB (nine tenths of drive root), got 1 GiB',
  ],
  [
    'a write larger than the disk of one case',
    `${write('{ write: 32MiB }')}    factors: { drives.root.size: [2GiB, 16MiB] }\n`,
    '8:47: studies.demo.workload.boot-write-shutdown.write: expected at most 14.4 MiB (nine tenths of drive root), got 32 MiB',
  ],
  [
    'a block larger than the write',
    write('{ write: 64KiB, blockSize: 1MiB }'),
    '8:65: studies.demo.workload.boot-write-shutdown.blockSize: expected at most 64 KiB (what is written), got 1 MiB',
  ],
  [
    'a direct write of odd blocks',
    write('{ blockSize: 1000B, direct: true }'),
    '8:51: studies.demo.workload.boot-write-shutdown.blockSize: expected a multiple of 4KiB, as direct writes need, got 1000B',
  ],
  [
    'a direct write of odd length',
    write('{ write: 1000000B, direct: true }'),
    '8:47: studies.demo.workload.boot-write-shutdown.write: expected a multiple of 4KiB, as direct writes need, got 1000000B',
  ],
  [
    'a factor of no key',
    factors('{ bus: [ide] }'),
    '9:16: studies.demo.factors.bus: expected a key of the guest or the study: system, memory, balloon, vcpus, accel, deadlines, drives, workload, vms, stagger or hostCache, got "bus"; did you mean vms?',
  ],
  [
    'a factor of a workload that the study does not have',
    factors('{ workload.boot-write-shutdown.write: [1MiB] }'),
    '9:16: studies.demo.factors.workload.boot-write-shutdown.write: expected a key of workload: idle, got "boot-write-shutdown"',
  ],
  [
    'a factor of a whole workload',
    factors('{ workload.idle: [10s] }'),
    '9:16: studies.demo.factors.workload.idle: expected one of its keys, such as workload.idle.time, got all of them',
  ],
  [
    'a number of vms that nobody has',
    factors('{ vms: [1, 0] }'),
    '9:25: studies.demo.factors.vms[1]: expected a whole number from 1 to 500, got 0',
  ],
  [
    'a host cache that is neither',
    factors('{ hostCache: [cold, lukewarm] }'),
    '9:34: studies.demo.factors.hostCache[1]: expected warm or cold, got "lukewarm"',
  ],
  [
    'a factor of a misspelt key',
    factors('{ drives.root.cahce: [none] }'),
    '9:16: studies.demo.factors.drives.root.cahce: expected a key of drives.root: tier, passthrough, bus, format, size, preallocation, clusterSize, lazyRefcounts, extendedL2, backing, cache, aio, discard, detectZeroes, iothread, queues or throttle, got "cahce"; did you mean cache?',
  ],
  [
    'a factor of an unknown drive',
    factors('{ drives.data.bus: [ide] }'),
    '9:16: studies.demo.factors.drives.data.bus: expected a key of drives: root, got "data"',
  ],
  [
    'a factor of a whole drive',
    factors('{ drives.root: [1] }'),
    '9:16: studies.demo.factors.drives.root: expected one of its keys, such as drives.root.tier, got all of them',
  ],
  [
    'a factor below a key',
    factors('{ drives.root.bus.speed: [1] }'),
    '9:16: studies.demo.factors.drives.root.bus.speed: expected drives.root.bus, which has no keys of its own, got more',
  ],
  [
    'a factor of a system that is built in',
    factors('{ system.kernel: [a] }'),
    '9:16: studies.demo.factors.system.kernel: expected system, which has no keys of its own, got more',
  ],
  [
    'a wrong value of a factor',
    factors('{ drives.root.bus: [ide, satan] }'),
    '9:39: studies.demo.factors.drives.root.bus[1]: expected virtio-blk, virtio-scsi, ide, sata, scsi, pvscsi or nvme, got "satan"; did you mean sata?',
  ],
  [
    'a wrong size of a factor',
    factors('{ memory: [64MiB, 128] }'),
    '9:32: studies.demo.factors.memory[1]: expected a size with a unit, such as 64KiB, 192MiB or 4GiB, got 128',
  ],
  [
    'a wrong number of a factor',
    factors('{ vcpus: [1, 2, two] }'),
    '9:30: studies.demo.factors.vcpus[2]: expected a whole number from 1 to 64, got "two"',
  ],
  [
    'a factor of unknown tiers',
    factors('{ drives.root.tier: [local, ssd] }'),
    '9:42: studies.demo.factors.drives.root.tier[1]: expected a tier: local, got "ssd"',
  ],
  [
    'a value twice',
    factors('{ drives.root.bus: [ide, sata, ide] }'),
    '9:45: studies.demo.factors.drives.root.bus[2]: expected values with names of their own, got "ide" after "ide"',
  ],
  [
    'a value that is called like another',
    factors('{ system.append: [a=1, a 1] }').replace('{ drives', '{ system: { kernel: k }, drives'),
    '9:37: studies.demo.factors.system.append[1]: expected values with names of their own, got "a 1" after "a=1"',
  ],
  [
    'names for what varies together, with a path for a name',
    factors('{ drives.root: { a: { vcpus: 1 }, b: { vcpus: 2 } } }'),
    '9:16: studies.demo.factors.drives.root: expected a plain name for what varies together, such as image, got "drives.root"',
  ],
  [
    'a factor that is neither a list nor a mapping',
    factors('{ vcpus: 2 }'),
    '9:23: studies.demo.factors.vcpus: expected a list of values, or a mapping of names to values, got 2',
  ],
  [
    'a wrong value below a name',
    factors('{ image: { old: { drives.root.bus: ide }, new: { drives.root.bus: virtoi } } }'),
    '9:80: studies.demo.factors.image.new.drives.root.bus: expected virtio-blk, virtio-scsi, ide, sata, scsi, pvscsi or nvme, got "virtoi"',
  ],
  [
    'a wrong key below a name',
    factors('{ image: { old: { drives.root.bus: ide }, new: { drives.root.buss: ide } } }'),
    '9:63: studies.demo.factors.image.new.drives.root.buss: expected a key of drives.root: tier, passthrough, bus, format, size, preallocation, clusterSize, lazyRefcounts, extendedL2, backing, cache, aio, discard, detectZeroes, iothread, queues or throttle, got "buss"; did you mean bus?',
  ],
  [
    'a named value of no key',
    factors('{ memroy: { small: 128MiB } }'),
    '9:16: studies.demo.factors.memroy: expected a key of the guest or the study: system, memory, balloon, vcpus, accel, deadlines, drives, workload, vms, stagger or hostCache, got "memroy"; did you mean memory?',
  ],
  [
    'one key in two factors',
    factors('{ vcpus: [1, 2], size: { one: { vcpus: 1 }, two: { vcpus: 2 } } }'),
    '9:46: studies.demo.factors.size.one.vcpus: expected vcpus in one place, got it in factor vcpus too',
  ],
  [
    'a key that all cases have and one factor too',
    factors('{ vcpus: [1, 2] }\n    settings: { vcpus: 4 }'),
    '9:16: studies.demo.factors.vcpus: expected vcpus in one place, got it in settings too',
  ],
  [
    'a setting of no key',
    factors('{ vcpus: [1, 2] }\n    settings: { drives.root.cahce: none }'),
    '10:17: studies.demo.settings.drives.root.cahce: expected a key of drives.root: tier, passthrough, bus, format, size, preallocation, clusterSize, lazyRefcounts, extendedL2, backing, cache, aio, discard, detectZeroes, iothread, queues or throttle, got "cahce"; did you mean cache?',
  ],
  [
    'an exclude of no factor',
    factors('{ vcpus: [1, 2] }\n    exclude: [{ vcpu: 1 }]'),
    '10:17: studies.demo.exclude[0].vcpu: expected a factor: vcpus, got "vcpu"; did you mean vcpus?',
  ],
  [
    'an exclude of no value',
    factors('{ vcpus: [1, 2] }\n    exclude: [{ vcpus: 3 }]'),
    '10:24: studies.demo.exclude[0].vcpus: expected a value of vcpus: 1 or 2, got 3',
  ],
  [
    'an exclude of what is excluded already',
    factors('{ vcpus: [1, 2] }\n    exclude: [{ vcpus: 1 }, { vcpus: 1 }]'),
    '10:29: studies.demo.exclude[1]: expected values of a case that is left, got those of none',
  ],
  [
    'an exclude of everything',
    factors('{ vcpus: [1] }\n    exclude: [{ vcpus: 1 }]'),
    '10:5: studies.demo.exclude: expected to leave one case at the least, got every case excluded',
  ],
  [
    'an include of no value of a name',
    factors(
      '{ image: { raw: { drives.root.format: raw } } }\n    include: [{ image: rwa, vcpus: 2 }]',
    ),
    '10:24: studies.demo.include[0].image: expected a value of image: raw, got "rwa"; did you mean raw?',
  ],
  [
    'an include of a key that the factor sets',
    factors(
      '{ image: { raw: { drives.root.format: raw } } }\n    include: [{ image: raw, drives.root.format: qcow2 }]',
    ),
    '10:29: studies.demo.include[0].drives.root.format: expected drives.root.format in one place, got it in factor image too',
  ],
  [
    'an include with a wrong name',
    factors('{ vcpus: [1, 2] }\n    include: [{ name: A B, vcpus: 3 }]'),
    '10:23: studies.demo.include[0].name: expected a name of at most 48 lower-case letters, digits and dashes, got "A B"',
  ],
  [
    'an include of nothing',
    factors('{ vcpus: [1, 2] }\n    include: [{}]'),
    '10:15: studies.demo.include[0]: expected at least one key, got an empty mapping',
  ],
  [
    'an include of a wrong value',
    factors('{ vcpus: [1, 2] }\n    include: [{ vcpus: 3, memory: 1 }]'),
    '10:35: studies.demo.include[0].memory: expected a size with a unit, such as 64KiB, 192MiB or 4GiB, got 1',
  ],
  [
    'an include of a case that is there',
    factors('{ vcpus: [1, 2] }\n    include: [{ name: "2", vcpus: 2 }]'),
    '6:3: studies.demo: expected cases with names of their own, got demo-2 twice',
  ],
  [
    'a reference that is no case',
    factors('{ drives.root.bus: [ide, sata] }\n    reference: stata'),
    '10:16: studies.demo.reference: expected a case: ide or sata, got "stata"; did you mean sata?',
  ],
  [
    'a wrong drift of the reference',
    factors('{ drives.root.bus: [ide, sata] }\n    reference: { case: ide, drift: 5 }'),
    '10:36: studies.demo.reference.drift: expected a share in per cent, such as 5% or 2.5%, got 5',
  ],
  [
    'a measure that no run has',
    factors('{ drives.root.bus: [ide, sata] }\n    measure: write'),
    '10:14: studies.demo.measure: expected a phase of idle or tps: boot, idle, shutdown or tps, got "write"',
  ],
  [
    'fewer blocks at the most than at the least',
    factors('{ vcpus: [1, 2] }\n    blocks: { min: 10, max: 8 }'),
    '10:29: studies.demo.blocks.max: expected at least min, which is 10, got 8',
  ],
  [
    'a rule for blocks with a width that is none',
    factors('{ vcpus: [1, 2] }\n    blocks: { width: 0% }'),
    '10:22: studies.demo.blocks.width: expected at least 0.1%, got "0%"',
  ],
  [
    'a number of blocks as text',
    factors('{ vcpus: [1, 2] }\n    blocks: six'),
    '10:13: studies.demo.blocks: expected a whole number from 1 to 10000, or a mapping with min, max and width, got "six"',
  ],
  [
    'too many cases',
    factors(`{ vcpus: ${numbers(64)}, drives.root.size: ${numbers(200, 'MiB')} }`),
    '9:5: studies.demo.factors: expected at most 10000 cases, got 12800',
  ],
  [
    'names too long',
    factors(
      '{ drives.root.cache: [none, writethrough], drives.root.aio: [io_uring], drives.root.bus: [virtio-scsi], accel: [auto], memory: [33554432B] }',
    ).replace('demo', 'x'.repeat(24)),
    '6:3: studies.xxxxxxxxxxxxxxxxxxxxxxxx: expected names of vms (study, case, slot) of at most 63 characters, got xxxxxxxxxxxxxxxxxxxxxxxx-writethrough-io-uring-virtio-scsi-auto-33554432b-1 with 75',
  ],
  [
    'a state too deep for sockets',
    `state: /${'x'.repeat(80)}\n${factors('{ drives.root.bus: [ide, sata] }')}`,
    `1:8: state: expected a state directory whose path has at most 76 bytes, since the socket vms/demo-sata-1/qmp-debug.sock below it must keep the kernel's limit of 107, got 81: /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`,
  ],
  [
    'two cases of one name',
    twoNames,
    '12:3: studies.demo: expected cases with names of their own, got demo-a-b-a twice',
  ],
  [
    'two studies with vms of one name',
    twoStudies,
    '16:3: studies.demo-a: expected cases with names of their own, got demo-a-b as in study demo',
  ],
]
