import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { exportJournal } from '../../src/cli/journal-export.ts'
import { csvRow } from '../../src/cli/run-row.ts'
import { Journal } from '../../src/journal/journal.ts'
import { recordEnd, recordStart } from '../../src/journal/runs.ts'
import { recordSamples } from '../../src/journal/samples.ts'
import { endBlock, openBlock, recordStudy } from '../../src/journal/studies.ts'
import { vmEnded, vmPhases, vmResult } from '../../src/journal/vms.ts'

/** A state directory whose journal another kvmio has open: a study of two vms a run, one that is void, one that goes on. */
async function exporting(t: Test) {
  const directory = await mkdtemp(join(tmpdir(), 'kvmio-export-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const configFile = join(directory, 'kvmio.yaml')
  await writeFile(configFile, 'state: .\n')
  const journal = new Journal(join(directory, 'journal.sqlite'), () => 1000)
  t.teardown(() => journal.close())
  const study = recordStudy(journal, { name: 'demo', hash: 'abc', config: {}, seed: 1 })
  const block = openBlock(journal, study.id)
  const begin = (caseName: string) =>
    recordStart(journal, {
      blockId: block.id,
      caseName,
      factors: { 'drives.root.bus': caseName },
      manifest: { qemu: '7.2' },
      vms: [1, 2].map((slot) => ({ name: `demo-${caseName}-${slot}`, plan: {} })),
    })
  const { id, vmIds } = begin('ide')
  for (const [slot, vm] of vmIds.entries()) {
    vmPhases(journal, vm, 9, [
      { seq: 1, phase: 'boot', uptime: 0 },
      { seq: 2, phase: 'write', uptime: 2.1 },
      { seq: 3, phase: 'off', uptime: 4.2 + slot },
    ])
    vmEnded(journal, vm, 'passed')
  }
  vmResult(journal, vmIds[0]!, 'fio', '{"jobs":[]}')
  recordSamples(journal, id, [{ kind: 'vm', name: 'demo-ide-1', at: 1, transactions: 5 }])
  recordEnd(journal, id, {
    outcome: 'passed',
    findings: { transactions: 95.5, neighbours: [], conservation: [] },
    counts: [
      { layer: 'qemu', vmId: vmIds[0]!, name: 'root', writes: 10, writtenBytes: 4096, flushes: 1 },
      { layer: 'qemu', vmId: vmIds[1]!, name: 'root', writes: 20, writtenBytes: 8192 },
      { layer: 'device', name: 'loop0', writes: 33 },
    ],
  })
  recordEnd(journal, begin('sata').id, { outcome: 'void', reason: 'neighbours: 5, "loud"' })
  endBlock(journal, block.id)
  begin('scsi')
  return async (options: { studies?: string[]; format: 'jsonl' | 'csv'; samples?: boolean }) => {
    const output = new PassThrough()
    const log = { level: 'info', format: 'text' } as never
    const whole = text(output)
    await exportJournal({ configFile, log, studies: [], samples: false, ...options }, output)
    output.end()
    return await whole
  }
}

t.test('CSV: a row for each run, beside the kvmio that writes', async (t) => {
  const print = await exporting(t)
  t.equal(
    await print({ format: 'csv' }),
    `study,hash,block,block_ended,block_void,run,case,factor_drives.root.bus,outcome,reason,started_at,ended_at,vms,phase_boot_seconds,phase_write_seconds,transactions_per_second,cpu_busy,cpu_stolen,qemu_writes,qemu_written_bytes,device_writes
demo,abc,1,true,,1,ide,ide,passed,,1000,1000,2,2.1,3.1,95.5,,,30,12288,33
demo,abc,1,true,,2,sata,sata,void,"neighbours: 5, ""loud""",1000,1000,2,,,,,,,,
demo,abc,1,true,,3,scsi,scsi,,,1000,,2,,,,,,,,
`,
    'the slowest vm, the sum of the vms, and no sum of what one of them does not know',
  )
})

t.test('JSON Lines: everything', async (t) => {
  const print = await exporting(t)
  const lines = (await print({ format: 'jsonl', studies: ['demo'] })).trim().split('\n')
  const rows = lines.map((line) => JSON.parse(line))
  t.strictSame(
    rows.map(({ type, case: name, outcome }) => [type, name, outcome]),
    [
      ['study', undefined, undefined],
      ['block', undefined, undefined],
      ['run', 'ide', 'passed'],
      ['run', 'sata', 'void'],
      ['run', 'scsi', undefined],
    ],
  )
  const [, , run] = rows
  t.match(run, { study: 'demo', block: 1, manifest: { qemu: '7.2' }, samples: [] })
  t.strictSame(run.vms[0].results, { fio: { jobs: [] } }, 'what is JSON is JSON')
  t.equal(run.vms[1].counts[0].writes, 20)
  const sampled = (await print({ format: 'jsonl', samples: true })).trim().split('\n')
  t.match(JSON.parse(sampled[2]!).samples, [
    { kind: 'vm', name: 'demo-ide-1', at: [1], transactions: [5] },
  ])
  await t.rejects(print({ format: 'csv', studies: ['dmeo'] }), {
    message: 'no study dmeo in the journal; it has demo',
  })
})

t.test('a field of CSV is quoted where it must be', async (t) => {
  t.equal(csvRow(['a', 1, undefined, true, 'b,c', '"', 'd\ne']), 'a,1,,true,"b,c","""","d\ne"')
})
