/** What a process holds, measured by itself once the collector has taken what nobody needs. */

export interface MemoryUse {
  /** V8's heap and what it points to outside: buffers, mostly. */
  readonly managedBytes: number
  /** Pages of the process: native memory of sockets and ciphers counts here only; the allocators' slack too. */
  readonly residentBytes: number
}

/** Needs `--expose-gc`. */
export const memoryUse = async (): Promise<MemoryUse> => {
  // finalizers, which free native memory, run between collections
  for (let i = 0; i < 4; i++) {
    globalThis.gc!()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  return { managedBytes: heapUsed + external, residentBytes: rss }
}
