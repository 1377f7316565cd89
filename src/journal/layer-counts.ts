import { given, type Journal, type JournalReader } from './journal.ts'

export type Layer = 'guest' | 'qemu' | 'process' | 'cgroup' | 'device'

/** What one layer counted from the start of a run to its end. What a layer does not know is absent. */
export interface LayerCount {
  layer: Layer
  /** In the journal; absent for a device, which counts for whoever used it. */
  vmId?: number
  /** Of the drive or the device; empty for a process. */
  name: string
  reads?: number
  readBytes?: number
  writes?: number
  writtenBytes?: number
  flushes?: number
  discards?: number
  discardedBytes?: number
}

export function recordCounts(journal: Journal, runId: number, counts: readonly LayerCount[]): void {
  for (const count of counts) {
    journal.run(
      `INSERT INTO layer_counts (run_id, vm_id, layer, name, reads, read_bytes, writes, written_bytes,
         flushes, discards, discarded_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      runId,
      count.vmId ?? null,
      count.layer,
      count.name,
      count.reads ?? null,
      count.readBytes ?? null,
      count.writes ?? null,
      count.writtenBytes ?? null,
      count.flushes ?? null,
      count.discards ?? null,
      count.discardedBytes ?? null,
    )
  }
}

export function countsOf(journal: JournalReader, runId: number): LayerCount[] {
  return journal
    .all('SELECT * FROM layer_counts WHERE run_id = ? ORDER BY rowid', runId)
    .map((row) => ({
      layer: row.layer as Layer,
      vmId: given(row.vm_id),
      name: String(row.name),
      reads: given(row.reads),
      readBytes: given(row.read_bytes),
      writes: given(row.writes),
      writtenBytes: given(row.written_bytes),
      flushes: given(row.flushes),
      discards: given(row.discards),
      discardedBytes: given(row.discarded_bytes),
    }))
}
