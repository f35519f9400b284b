/**
 * `EFFECT_QUIC_IO=ffi node test/bench/slowCalls.ts [CALLS]`: the calls of a new process by thousands, and what stopped its
 * event loop in the slowest hundredth of each: collections, other work of its thread (mostly code that is not compiled
 * yet), or waiting for the other process. Flags of V8 to compare with go to `node`.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { PerformanceObserver } from "node:perf_hooks"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeCertificateVerifier } from "../../layers/node/index.ts"
import { QuicEndpoint } from "../../src/index.ts"
import { answerCall, call } from "./calls.ts"
import { certificate } from "./identity.ts"
import { layerWithoutTrust } from "../io.ts"

/** One call, in milliseconds. */
interface Sample {
  readonly startedAt: number
  readonly wall: number
  /** Of the main thread, collections included. */
  readonly cpu: number
}

/** Some calls and what stopped the slowest hundredth of them, in milliseconds a call. */
export interface SlowCalls {
  readonly p50: number
  readonly p99: number
  readonly cpuP50: number
  readonly cpuP99: number
  /** Of the slowest hundredth, the share during which there was a collection. */
  readonly collected: number
  readonly collecting: number
  readonly computing: number
  readonly waiting: number
}

const transport = { maxBidirectionalStreams: 1_000_000, initialDatagramBytes: 1452 }

const serve = Effect.gen(function* () {
  const { identity } = yield* Effect.promise(certificate)
  const server = yield* QuicEndpoint.make({
    host: "127.0.0.1",
    server: { alpn: ["slow"], identity, transport }
  })
  process.send!({ port: server.localAddress.port })
  yield* server.serveStreams(answerCall)
})

interface Collection {
  readonly startTime: number
  readonly duration: number
}

const quantile = (sorted: ReadonlyArray<number>, q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]

const overlap = ({ startedAt, wall }: Sample, { startTime, duration }: Collection): number =>
  Math.max(0, Math.min(startedAt + wall, startTime + duration) - Math.max(startedAt, startTime))

const summary = (samples: ReadonlyArray<Sample>, collections: ReadonlyArray<Collection>): SlowCalls => {
  const sorted = [...samples].sort((a, b) => a.wall - b.wall)
  const slow = sorted.slice(-Math.ceil(samples.length / 100))
  const mean = (of: (sample: Sample) => number): number =>
    slow.reduce((sum, sample) => sum + of(sample), 0) / slow.length
  const inCollections = (sample: Sample): number =>
    collections.reduce((sum, each) => sum + overlap(sample, each), 0)
  const collecting = mean(inCollections)
  const cpu = mean(({ cpu }) => cpu)
  const walls = sorted.map(({ wall }) => wall)
  const cpus = samples.map((sample) => sample.cpu).sort((a, b) => a - b)
  return {
    p50: quantile(walls, 0.5),
    p99: quantile(walls, 0.99),
    cpuP50: quantile(cpus, 0.5),
    cpuP99: quantile(cpus, 0.99),
    collected: mean((sample) => (inCollections(sample) > 0 ? 1 : 0)),
    collecting,
    computing: Math.max(0, cpu - collecting),
    waiting: mean(({ wall }) => wall) - Math.max(cpu, collecting)
  }
}

const measure = (port: number, calls: number) =>
  Effect.gen(function* () {
    const client = yield* QuicEndpoint.make({ host: "127.0.0.1" })
    const connection = yield* client.connect({ host: "127.0.0.1", port, alpn: ["slow"], transport })
    const collections: Array<Collection> = []
    const observer = new PerformanceObserver((list) => void collections.push(...list.getEntries()))
    observer.observe({ entryTypes: ["gc"] })
    const samples: Array<Sample> = []
    for (let i = 0; i < calls; i++) {
      const before = process.threadCpuUsage()
      const startedAt = performance.now()
      yield* call(connection)
      const wall = performance.now() - startedAt
      const { user, system } = process.threadCpuUsage(before)
      samples.push({ startedAt, wall, cpu: (user + system) / 1000 })
    }
    yield* Effect.sleep(100) // the observer is told later
    observer.disconnect()
    return Array.from({ length: Math.ceil(calls / 1000) }, (_, i) =>
      summary(samples.slice(1000 * i, 1000 * (i + 1)), collections)
    )
  })

const columns = ["p50", "p99", "cpuP50", "cpuP99", "collected", "collecting", "computing", "waiting"] as const

const print = (thousands: ReadonlyArray<SlowCalls>): void => {
  const row = (first: string, cells: ReadonlyArray<string>): void =>
    console.log(first.padEnd(12) + cells.map((cell) => cell.padStart(12)).join(""))
  row("ms", columns)
  for (const [i, figures] of thousands.entries())
    row(
      `${1000 * i} …`,
      columns.map((column) => figures[column].toFixed(2))
    )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { identity, certPem, keyPem } = await certificate()
  const trust = NodeCertificateVerifier.layerPinnedCertificates(identity.chain)
  const stack = Layer.merge(layerWithoutTrust, trust)
  if (process.send !== undefined) await Effect.runPromise(Effect.scoped(Effect.provide(serve, stack)))
  const child = fork(import.meta.filename, {
    env: { ...process.env, BENCH_CERT: certPem, BENCH_KEY: keyPem }
  })
  const [{ port }] = await once(child, "message")
  const calls = Number(process.argv[2] ?? 6000)
  print(await Effect.runPromise(Effect.scoped(Effect.provide(measure(port, calls), stack))))
  child.kill()
}
