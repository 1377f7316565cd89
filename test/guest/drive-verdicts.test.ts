import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { driveProblems } from '../../src/config/drive-rules.ts'
import { AIOS, BUSES, CACHES, FORMATS } from '../../src/config/drive-schema.ts'
import type { ImageDriveConfig } from '../../src/config/passthrough.ts'
import { qemuArgv } from '../../src/guest/argv.ts'
import type { DrivePlan } from '../../src/guest/plan.ts'
import { run } from '../../src/lib/process.ts'
import { missingPrograms } from '../../src/storage/programs.ts'
import { combinations } from '../combinations.ts'
import { drive } from '../study/configs.ts'
import { BINARY, planOf, vmsFolder } from './vm-plan.ts'

const MIB = 2 ** 20
const QUIT = '{"execute":"qmp_capabilities"}{"execute":"quit"}'
const skip = (await missingPrograms([BINARY, 'qemu-img'])) ?? false

/** Starts qemu with the drive as a vm would be, stopped, and ends it: undefined when it took it, else its words. */
async function refusal(
  vmsDir: string,
  images: string,
  config: ImageDriveConfig,
  index: number,
): Promise<string | undefined> {
  const { size, backing: _, ...options } = config
  const backend = { kind: 'file', path: join(images, `image.${config.format}`) } as const
  const plan: DrivePlan = { ...options, name: 'root', sizeBytes: size, backing: [], backend }
  const directory = join(vmsDir, String(index))
  // Its sockets need no folder: a vm's own chardevs would, and are no part of what is tried here.
  const argv = qemuArgv(planOf(vmsDir, String(index), { directory, drives: [plan] }))
  const isChardev = (at: number) => ['-chardev', '-mon', '-serial'].includes(argv[at] ?? '')
  const tried = argv.filter((_, at) => !isChardev(at) && !isChardev(at - 1))
  try {
    await run(BINARY, [...tried, '-qmp', 'stdio'], { input: QUIT, timeoutMs: 20_000 })
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

async function makeImages(folder: string): Promise<string> {
  await mkdir(folder)
  await writeFile(join(folder, 'image.raw'), Buffer.alloc(MIB))
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', join(folder, 'image.qcow2'), '1M'])
  return folder
}

/** Tries each, as many at once as there are processors. */
async function tryAll(t: Test, configs: readonly ImageDriveConfig[]): Promise<number> {
  const vmsDir = await vmsFolder(t)
  const queue = [...configs.entries()]
  let refused = 0
  const work = async (_: unknown, worker: number) => {
    const images = await makeImages(join(vmsDir, `images-${worker}`)) // qemu locks what it opens
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [index, config] = next
      const problems = driveProblems(config)
      const words = await refusal(vmsDir, images, config, index)
      if (words !== undefined) refused += 1
      if ((words === undefined) === (problems.length === 0)) continue
      const said = problems.map(({ message }) => message).join('; ') || 'good'
      t.fail(`${JSON.stringify(config)}: check says ${said}; qemu: ${words ?? 'good'}`)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }).map(work))
  return refused
}

t.test(
  'check and qemu agree on every bus, format, cache, aio, iothread and queues',
  { skip },
  async (t) => {
    const all = combinations({
      bus: BUSES,
      format: FORMATS,
      cache: CACHES,
      aio: AIOS,
      iothread: [false, true],
      queues: [undefined, 2],
    })
    const refused = await tryAll(
      t,
      all.map((options) => drive({ ...options, size: MIB })),
    )
    t.equal(all.length, 840)
    // Of the 15 pairs of cache and aio 12 are good; of the 28 of bus, iothread and queues 14.
    t.equal(refused, 840 - 2 * 12 * 14, 'as many as the rules say, by hand')
  },
)

t.test('and on discards, zeros and limits', { skip }, async (t) => {
  const all = combinations({
    discard: ['ignore', 'unmap'],
    detectZeroes: ['off', 'on', 'unmap'],
    throttle: [
      undefined,
      { iops: 100 },
      { iops: 100, iopsBurst: 200, burstLength: 60 },
      { iopsBurst: 200 },
      { iops: 100, iopsBurst: 50 },
      { bytesPerSecond: MIB, bytesPerSecondBurst: 2 * MIB },
      { iops: 1_000_000_000, bytesPerSecond: 2 ** 44 },
      { iops: 100, iopsBurst: 200, bytesPerSecond: MIB, burstLength: 2 },
    ],
  } as const)
  const refused = await tryAll(
    t,
    all.map((options) => drive({ ...options, size: MIB })),
  )
  t.equal(all.length, 48)
  t.equal(refused, 48 - 5 * 6, 'as many as the rules say, by hand')
})
