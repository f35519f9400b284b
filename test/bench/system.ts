/** The tasks that benchmarked systems run. Clients and servers run in separate processes, on loopback. */

export type Task =
  /** One stream, `bytes` from client to server; `"discovered"`: datagrams as large as path MTU discovery finds. */
  | {
      readonly kind: "bulk"
      readonly port: number
      readonly bytes: number
      readonly datagramBytes: number | "discovered"
    }
  /** `calls` sequential 64-byte round trips, each on a new stream; figures in microseconds. */
  | { readonly kind: "call"; readonly port: number; readonly calls: number }
  /** `count` sequential connections, each closed after its handshake; figure: per second. */
  | {
      readonly kind: "handshake"
      readonly port: number
      readonly count: number
      /** Handshakes are made for that long before some are measured. */
      readonly warmUpMillis: number
      /** What becomes of session tickets: `"collect"` waits for those of each connection, `"use"` resumes with one. */
      readonly tickets: "ignore" | "collect" | "use"
    }
  /** From `connect` to the first byte of the response to 64 bytes, `count` times, through a relay; in milliseconds. */
  | {
      readonly kind: "firstByte"
      readonly port: number
      readonly count: number
      readonly delayMillis: number
    }
  /** Opens `count` connections and holds them. */
  | { readonly kind: "holdConnections"; readonly port: number; readonly count: number }
  /** Opens `count` streams on one connection, writes a byte on each, and holds them. */
  | { readonly kind: "holdStreams"; readonly port: number; readonly count: number }

export type TaskKind = Task["kind"]

/** A task whose server is not running yet. */
export type OpenTask = Task extends infer T ? (T extends Task ? Omit<T, "port"> : never) : never

export interface Side {
  readonly port: number
}

/** Figures by name; CPU is that of the measuring process, in microseconds per datagram or call. */
export interface Result {
  readonly values: { readonly [metric: string]: number }
}

export interface System {
  /** Starts a server for tasks of this kind; resolves to its port. */
  serve(task: Task): Promise<number>
  /** Performs the task against `task.port`. */
  run(task: Task): Promise<Result>
  /** The fraction of bytes and connections given to a slow system, to bound its run time. */
  readonly share?: number
  /** The value of `EFFECT_QUIC_IO` for its processes. */
  readonly io?: "ffi" | "portable"
  /** Whether its clients can resume sessions. */
  readonly resumes?: boolean
  /** The supported tasks. */
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

/** V8 optimises a function when it has been through all of its code 3000 times: one that takes a branch a call, much later. */
const SETTLED_CALLS = 20_000
/** Who asks for fewer calls (`--quick`) wants figures of a cold process. */
const COLD_COUNT = 1000
/** The slowest systems settle no further, and are not given more time. */
export const WARM_UP_MILLIS = 15_000

/** Times `count` calls, the first of a process and those after V8 has settled; returns latencies and its CPU use. */
export const timeCalls = async (count: number, call: () => Promise<void>): Promise<Result> => {
  const timed = async (): Promise<number> => {
    const start = performance.now()
    await call()
    return (performance.now() - start) * 1000
  }
  const first = await timed()
  const warmBy = performance.now() + WARM_UP_MILLIS
  const warmUp = count < COLD_COUNT ? count : SETTLED_CALLS
  for (let i = 0; i < warmUp && performance.now() < warmBy; i++) await call()
  const samples: Array<number> = []
  const cpu = process.cpuUsage()
  for (let i = 0; i < count; i++) samples.push(await timed())
  const { user, system } = process.cpuUsage(cpu)
  return { values: { ...quantiles(samples), first, cpuMicros: (user + system) / count } }
}

/** Runs `attempt` (connect to first byte) `count` times; returns the median in milliseconds. */
export const timeFirstBytes = async (count: number, attempt: () => Promise<number>): Promise<Result> => {
  await attempt()
  const samples: Array<number> = []
  for (let i = 0; i < count; i++) samples.push(await attempt())
  return { values: { millis: quantiles(samples).p50 } }
}

/** Times `count` sequential handshakes; returns how many complete per second, and what the first one takes. */
export const timeHandshakes = async (count: number, handshake: () => Promise<unknown>): Promise<Result> => {
  const startedAt = performance.now()
  let firstMillis = 0
  for (let i = 0; i < count; i++) {
    await handshake()
    if (i === 0) firstMillis = performance.now() - startedAt
  }
  return { values: { perSecond: count / seconds(startedAt), firstMillis } }
}

/** Runs `open` `count` times, a few concurrently; what it opens is measured while it is held. */
export const openAndHold = async (count: number, open: () => Promise<unknown>): Promise<Result> => {
  let left = count
  const lane = async (): Promise<void> => {
    while (left-- > 0) await open()
  }
  await Promise.all(Array.from({ length: Math.min(count, 16) }, lane))
  return { values: {} }
}
