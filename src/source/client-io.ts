/** What a network filesystem's client did, of one mount; what its kernel does not count is absent. */
export interface ClientIo {
  readsCompleted?: number
  readBytes?: number
  /** From the request to the answer, waiting included, summed over reads. */
  readSeconds?: number
  writesCompleted?: number
  writtenBytes?: number
  writeSeconds?: number
  /** Commits of NFS, fsyncs of Lustre. */
  flushes?: number
  flushSeconds?: number
}
