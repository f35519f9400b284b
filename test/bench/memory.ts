/** A process's memory use, measured from within after garbage collection. */

export interface MemoryUse {
  /** V8's heap and the memory it owns outside, mostly buffers. */
  readonly managedBytes: number
  /** Resident pages, which alone include native memory of sockets and ciphers, and allocator slack. */
  readonly residentBytes: number
}

/** Requires `--expose-gc`. */
export const memoryUse = async (): Promise<MemoryUse> => {
  // finalizers that free native memory run between collections
  for (let i = 0; i < 4; i++) {
    globalThis.gc!()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  return { managedBytes: heapUsed + external, residentBytes: rss }
}
