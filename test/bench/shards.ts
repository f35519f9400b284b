/**
 * `node test/bench/shards.ts [WORKERS …]`: how many handshakes a server makes in a second of its CPU time, in one thread
 * and in several that share its port. Clients, in a process of their own, connect one after another, a few at a time.
 */
import { type ChildProcess, fork } from "node:child_process"
import * as dgram from "node:dgram"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeCertificateVerifier, ShardedEndpoint } from "../../layers/node/index.ts"
import { Identity, QuicEndpoint, Trust } from "../../src/index.ts"
import { layerWithoutTrust } from "../io.ts"
import { certificate } from "./identity.ts"
import type { Figures } from "./report.ts"
import { heard } from "./sides.ts"

/** Clients at once: each endpoint has a port of its own, and so its shard. */
const AT_ONCE = 8
const WARM_UP_MILLIS = 10_000
const MEASURED_MILLIS = 8_000

interface Usage {
  readonly cpuMicros: number
  readonly handshakes: number
}

interface ShardData {
  readonly port: number
  readonly certPem: string
  readonly keyPem: string
}

const shard = Effect.gen(function* () {
  const { port, certPem, keyPem } = ShardedEndpoint.data as ShardData
  const identity = yield* Identity.fromPem({ cert: certPem, key: keyPem })
  const server = { alpn: ["shards"], identity, ticketLifetime: 0 }
  const endpoint = yield* QuicEndpoint.make({ host: "127.0.0.1", port, server })
  yield* endpoint.serve(({ closed }) => Effect.asVoid(closed))
}).pipe(
  Effect.scoped,
  Effect.provide(
    ShardedEndpoint.layer.pipe(Layer.provideMerge(Layer.merge(layerWithoutTrust, Trust.layerRawKeys([]))))
  )
)

const freePort = async (): Promise<number> => {
  const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1")
  await once(socket, "listening")
  const { port } = socket.address()
  socket.close()
  return port
}

const serve = (count: number) =>
  Effect.gen(function* () {
    const { certPem, keyPem } = yield* Effect.promise(certificate)
    const port = yield* Effect.promise(freePort)
    const data: ShardData = { port, certPem, keyPem }
    const server = yield* ShardedEndpoint.make(new URL(import.meta.url), { count, data })
    process.on("message", () => {
      // of all threads
      const { user, system } = process.cpuUsage()
      const told = Effect.map(server.statistics, ({ handshakes }) => {
        const usage: Usage = { cpuMicros: user + system, handshakes: handshakes.completed }
        process.send!(usage)
      })
      Effect.runFork(told)
    })
    process.send!({ port })
    return yield* Effect.never
  })

const connectOn = (port: number) =>
  Effect.gen(function* () {
    const endpoint = yield* QuicEndpoint.make({ host: "127.0.0.1" })
    const options = { host: "127.0.0.1", port, alpn: ["shards"], serverName: "localhost" }
    return yield* Effect.forever(
      Effect.scoped(Effect.flatMap(endpoint.connect(options), (connection) => connection.close()))
    )
  })

const runClients = (port: number) =>
  Effect.gen(function* () {
    const { identity } = yield* Effect.promise(certificate)
    const layer = Layer.merge(
      layerWithoutTrust,
      NodeCertificateVerifier.layerPinnedCertificates(identity.chain)
    )
    const clients = Effect.forEach(Array(AT_ONCE), () => connectOn(port), { concurrency: "unbounded" })
    yield* Effect.provide(clients, layer)
  })

const usageOf = async (server: ChildProcess): Promise<Usage> => {
  server.send({})
  return heard<Usage>(server)
}

/** Handshakes in a second of the server's CPU time. */
const handshakesPerCpuSecond = async (count: number): Promise<number> => {
  const self = fileURLToPath(import.meta.url)
  const server = fork(self, ["serve", String(count)])
  const { port } = await heard<{ port: number }>(server)
  const clients = fork(self, ["clients", String(port)])
  const pause = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))
  await pause(WARM_UP_MILLIS)
  const before = await usageOf(server)
  await pause(MEASURED_MILLIS)
  const after = await usageOf(server)
  clients.kill()
  server.kill()
  return (1e6 * (after.handshakes - before.handshakes)) / (after.cpuMicros - before.cpuMicros)
}

/** Alternates between one worker and `count`. */
export const shards = async (count: number, rounds: number): Promise<Figures> => {
  const one: Array<number> = []
  const several: Array<number> = []
  for (let i = 0; i < rounds; i++) {
    one.push(await handshakesPerCpuSecond(1))
    several.push(await handshakesPerCpuSecond(count))
  }
  const median = (values: ReadonlyArray<number>): number =>
    values.toSorted((a, b) => a - b)[values.length >> 1]
  return {
    conditions: `${AT_ONCE} clients at once, full handshakes`,
    figures: [
      { metric: "handshakes a CPU second, 1 worker", value: median(one), unit: "" },
      { metric: `handshakes a CPU second, ${count} workers`, value: median(several), unit: "" },
      { metric: `${count} workers to 1`, value: median(several) / median(one), unit: "" }
    ]
  }
}

process.on("disconnect", () => process.exit())

const [side, argument] = process.argv.slice(2)
if (ShardedEndpoint.isShard) ShardedEndpoint.run(shard)
else if (side === "serve") void Effect.runPromise(Effect.scoped(serve(Number(argument))))
else if (side === "clients") void Effect.runPromise(Effect.scoped(runClients(Number(argument))))
