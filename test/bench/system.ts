/** What every benchmarked system can be asked to do. Clients and servers run in processes of their own, on loopback. */

export type Task =
  /** One stream, `bytes` from client to server; `"discovered"`: in datagrams as large as the system finds out to fit. */
  | {
      readonly kind: "bulk"
      readonly port: number
      readonly bytes: number
      readonly datagramBytes: number | "discovered"
    }
  /** `calls` one after the other, each 64 bytes there and back on a stream of its own; figures: microseconds. */
  | { readonly kind: "call"; readonly port: number; readonly calls: number }
  /** `count` connections one after the other, each closed when its handshake is done; figure: per second. */
  | { readonly kind: "handshake"; readonly port: number; readonly count: number }
  /** From `connect` to the first byte of the answer to 64 bytes, `count` times, through a relay; figure: milliseconds. */
  | {
      readonly kind: "firstByte"
      readonly port: number
      readonly count: number
      readonly delayMillis: number
    }
  /** Opens `count` connections and holds them. */
  | { readonly kind: "holdConnections"; readonly port: number; readonly count: number }
  /** Opens `count` streams of one connection, says a byte on each, and holds them. */
  | { readonly kind: "holdStreams"; readonly port: number; readonly count: number }

export type TaskKind = Task["kind"]

/** A task whose server is not there yet. */
export type OpenTask = Task extends infer T ? (T extends Task ? Omit<T, "port"> : never) : never

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
  /** A slow system is given this share of the bytes and connections, so that a run ends. */
  readonly share?: number
  /** What it can do. */
  readonly kinds: ReadonlyArray<TaskKind>
}

export const CALL_BYTES = 64

export const seconds = (startedAt: number): number => (performance.now() - startedAt) / 1000

/** p50 and p99 of samples. */
export const quantiles = (samples: Array<number>): { p50: number; p99: number } => {
  samples.sort((a, b) => a - b)
  const at = (q: number): number => samples[Math.min(samples.length - 1, Math.floor(samples.length * q))]
  return { p50: at(0.5), p99: at(0.99) }
}

/** Runs `call` `count` times after a warm-up and returns how long each took, and what it cost this process. */
export const timeCalls = async (count: number, call: () => Promise<void>): Promise<Result> => {
  for (let i = 0; i < Math.min(200, count); i++) await call()
  const samples: Array<number> = []
  const cpu = process.cpuUsage()
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    await call()
    samples.push((performance.now() - start) * 1000)
  }
  const { user, system } = process.cpuUsage(cpu)
  return { values: { ...quantiles(samples), cpuMicros: (user + system) / count } }
}

/** Runs `attempt`, which resolves with the first byte, `count` times; the median in milliseconds. */
export const timeFirstBytes = async (count: number, attempt: () => Promise<number>): Promise<Result> => {
  await attempt()
  const samples: Array<number> = []
  for (let i = 0; i < count; i++) samples.push(await attempt())
  return { values: { millis: quantiles(samples).p50 } }
}

/** Does `open` `count` times, a few at once. */
export const repeat = async (count: number, open: () => Promise<unknown>): Promise<void> => {
  let left = count
  const lane = async (): Promise<void> => {
    while (left-- > 0) await open()
  }
  await Promise.all(Array.from({ length: Math.min(count, 16) }, lane))
}
