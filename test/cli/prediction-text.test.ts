import t from 'tap'
import type { DensityFacts } from '../../src/cli/density-facts.ts'
import { explanation, predictionText } from '../../src/cli/prediction-text.ts'
import { predict } from '../../src/density/model.ts'

const MIB = 2 ** 20
const settings = { zScore: 1.645, utilisationCap: 0.7, cpuCap: 0.8, memoryReserve: 0 }
const paper: DensityFacts = {
  demand: { mean: 0.05, sigma: 0.1, correlation: 0 },
  source: 'stated',
  service: { peak: 100 },
  targetLatency: 0.05,
  capacity: { classes: [], rated: 100 },
  running: 1,
  settings,
}
const calibrated: Partial<DensityFacts> = {
  service: { peak: 98.6, baseLatency: 0.01 },
  capacity: { classes: [{ class: 'random-write', peak: 98.6, baseLatency: 0.01, residual: 0 }] },
}

function predicted(more: Partial<DensityFacts> = {}, vms?: number) {
  const facts = { ...paper, ...more }
  const prediction = predict({ ...facts, running: vms ?? facts.running })
  return { tier: 'sata', guest: 'student', facts, prediction, vms }
}

t.test("the paper's disk, rated", async (t) => {
  t.equal(
    predictionText(predicted({ memory: { room: 4096 * MIB, each: 320 * MIB } })),
    `tier sata, guest student
  serves   100 transactions/s at the most (rated), filled to utilisationCap, 70 %, its latency not being known
  is asked for 5 % of its time by a vm, sigma 10 %, correlation 0.00 (as the config states)
  runs     1 vm

method    vms  headroom  bound by
paper      20        19  I/O
capped     12        11  memory
sigma       5         4  I/O
measured    –         –  –

5 vms of guest student fit on tier sata, bound by I/O. In 95 % of the seconds they ask for no more than 61.8 %
of its time, one more would make it 70.3 %, and it is to be filled to 70 %. By itself each of the others would
let be: memory 12.
`,
  )
})

t.test('calibrated, learned from a ramp, asked about eight', async (t) => {
  const seen = { from: 'ramp', count: 3, vms: [1, 4], seconds: 180 } as const
  const text = predictionText(
    predicted(
      {
        ...calibrated,
        ...{ source: 'journal', seen: { ...seen, vms: [1, 4] }, boot: { demand: 0.2, work: 2 } },
        measured: { vms: 6, bound: 'io' },
      },
      8,
    ),
  )
  t.equal(
    text,
    `tier sata, guest student
  serves   99 transactions/s at the most (calibrated), filled to 80 % at a latency of 50 ms
  is asked for 5 % of its time by a vm, sigma 10 %, correlation 0.00 (3 steps of its last ramp, 1 to 4 vms at once, 3 min 0 s)
  runs     8 vms, as asked about

method    vms  headroom  bound by
paper      20        12  I/O
capped     13         5  boots
sigma       7        -1  I/O
measured    6        -2  I/O

8 vms do not fit: 7 vms of guest student fit on tier sata, bound by I/O. In 95 % of the seconds they ask for
no more than 78.5 % of its time, one more would make it 86.5 %, and it keeps 50 ms up to 80 %. By itself each
of the others would let be: boots 13.
Started together they have booted after about 17.5 s, and 2 may boot at once while the others serve.
`,
  )
})

t.test('why no more', async (t) => {
  const light = { mean: 0.001, sigma: 0, correlation: 0 }
  const rows: [Partial<DensityFacts>, number | undefined, string][] = [
    [
      { demand: light, memory: { room: 1024 * MIB, each: 320 * MIB } },
      undefined,
      '3 vms of guest student fit on tier sata, bound by memory. One takes 320 MiB of the 1 GiB that vms may have. By itself each of the others would let be: I/O 700.',
    ],
    [
      { demand: light, memory: { room: -MIB, each: 320 * MIB } },
      1,
      '1 vm does not fit: 0 vms of guest student fit on tier sata, bound by memory. One takes 320 MiB of the 0 B that vms may have. By itself each of the others would let be: I/O 700.',
    ],
    [
      { demand: light, space: { room: 4096 * MIB, each: 1025 * MIB } },
      3,
      '3 vms do fit: 3 vms of guest student fit on tier sata, bound by space. The images of one come to take 1 GiB of the 4 GiB that they may have. By itself each of the others would let be: I/O 700.',
    ],
    [
      { demand: light, cpu: { room: 1.6, each: 0.95 } },
      undefined,
      '1 vm of guest student fits on tier sata, bound by processors. One takes 0.95 of the 1.6 processors that vms may have. By itself each of the others would let be: I/O 700.',
    ],
    [
      { boot: { demand: 0.65 } },
      undefined,
      '2 vms of guest student fit on tier sata, bound by boots. A boot asks for 65 % of its time beside those that serve. By itself each of the others would let be: I/O 5.',
    ],
    [
      { demand: { mean: 0, sigma: 0, correlation: 0 } },
      undefined,
      'Nothing bounds how many vms of guest student fit on tier sata.',
    ],
    [
      { demand: undefined, measured: { vms: 6 }, memory: { room: 1024 * MIB, each: 320 * MIB } },
      undefined,
      'How many vms of guest student fit on tier sata is not known, as nobody knows what one asks of it; what else is known would let be: memory 3.',
    ],
  ]
  for (const [facts, vms, sentence] of rows) t.equal(explanation(predicted(facts, vms)), sentence)
})
