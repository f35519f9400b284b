/** What every benchmarked system can be asked to do. Clients and servers run in processes of their own, on loopback. */

export type Task =
  /** One stream, `bytes` from client to server, in datagrams of at most `datagramBytes`; figure: bits per second. */
  | { readonly kind: "bulk"; readonly port: number; readonly bytes: number; readonly datagramBytes: number }
  /** `calls` one after the other, each 64 bytes there and back on a stream of its own; figures: microseconds. */
  | { readonly kind: "call"; readonly port: number; readonly calls: number }
  /** `count` connections one after the other, each closed when its handshake is done; figure: per second. */
  | { readonly kind: "handshake"; readonly port: number; readonly count: number }

export interface Side {
  readonly port: number
}

/** Figures by name; CPU is of the process that measured, microseconds per datagram or call. */
export interface Result {
  readonly values: { readonly [metric: string]: number }
}

export interface System {
  /** Starts a server for tasks of this kind; resolves to its port. */
  serve(task: Task): Promise<number>
  /** Performs the task against `task.port`. */
  run(task: Task): Promise<Result>
  /** Bulk transfers of a slow system are shortened to this share, so that a run ends. */
  readonly bulkShare?: number
  /** What it can do. */
  readonly kinds: ReadonlyArray<Task["kind"]>
}

export const CALL_BYTES = 64

export const seconds = (startedAt: number): number => (performance.now() - startedAt) / 1000

/** p50 and p99 of samples in microseconds. */
export const quantiles = (samples: Array<number>): { p50: number; p99: number } => {
  samples.sort((a, b) => a - b)
  const at = (q: number): number => samples[Math.min(samples.length - 1, Math.floor(samples.length * q))]
  return { p50: at(0.5), p99: at(0.99) }
}

/** Runs `call` `count` times after a warm-up and returns how long each took. */
export const timeCalls = async (count: number, call: () => Promise<void>): Promise<Result> => {
  for (let i = 0; i < Math.min(200, count); i++) await call()
  const samples: Array<number> = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await call()
    samples.push((performance.now() - start) * 1000)
  }
  const { p50, p99 } = quantiles(samples)
  return { values: { p50, p99 } }
}
