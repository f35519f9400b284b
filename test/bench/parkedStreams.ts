/**
 * `node test/bench/parkedStreams.ts [CONNECTIONS] [STREAMS]`: idle streams whose handlers wait for more data; what they
 * cost the server's process, and how long closing everything takes.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { NodeIdentity } from "../../layers/node/index.ts"
import { QuicEndpoint, Trust } from "../../src/index.ts"
import { type MemoryUse, memoryUse } from "./memory.ts"
import type { Figures } from "./report.ts"
import { layerWithoutTrust } from "../io.ts"

export interface ParkedStreams {
  readonly connections: number
  readonly streams: number
  /** Fibers of the server's endpoint. */
  readonly fibers: number
  /** What the streams added to the server's process, in megabytes: heap and buffers, and resident pages. */
  readonly managedMegabytes: number
  readonly residentMegabytes: number
  readonly closeSeconds: number
}

export const parkedFigures = (result: ParkedStreams): Figures => ({
  conditions: `${result.streams} streams in ${result.connections} connections`,
  figures: [
    { metric: "heap and buffers, server", value: result.managedMegabytes, unit: "MB" },
    { metric: "resident, server", value: result.residentMegabytes, unit: "MB" },
    { metric: "closing everything", value: result.closeSeconds, unit: "s" }
  ]
})

const transportFor = (streams: number) => ({
  maxBidirectionalStreams: streams,
  maxIdleTimeout: 0,
  handshakeTimeout: 60_000
})

const serve = (connections: number, streams: number) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const identity = yield* NodeIdentity.developmentCertificate()
    const server = yield* Scope.provide(
      QuicEndpoint.make({
        host: "127.0.0.1",
        limits: { acceptBacklog: connections },
        server: { alpn: ["park"], identity, transport: transportFor(streams), retry: "never" }
      }),
      scope
    )
    let parked = 0
    const all = yield* Deferred.make<void>()
    const handlers = server.serveStreams((stream) =>
      Effect.flatMap(stream.read(), () => {
        if (++parked === connections * streams) Deferred.doneUnsafe(all, Effect.void)
        return Effect.asVoid(stream.read())
      })
    )
    yield* Effect.forkIn(Effect.ignore(handlers), scope)
    const before = yield* Effect.promise(memoryUse)
    process.send!({ port: server.localAddress.port })
    yield* Deferred.await(all)
    // until everything is acknowledged
    yield* Effect.sleep(2000)
    const after = yield* Effect.promise(memoryUse)
    const { fibers } = yield* server.tree
    const startedAt = performance.now()
    yield* Scope.close(scope, Exit.interrupt())
    const grown = (of: keyof MemoryUse): number => (after[of] - before[of]) / 1e6
    const result: ParkedStreams = {
      connections,
      streams: parked,
      fibers,
      managedMegabytes: grown("managedBytes"),
      residentMegabytes: grown("residentBytes"),
      closeSeconds: (performance.now() - startedAt) / 1000
    }
    process.send!(result)
  })

const dial = (port: number, connections: number, streams: number) =>
  Effect.gen(function* () {
    const client = yield* QuicEndpoint.make({ host: "127.0.0.1" })
    const options = { host: "127.0.0.1", port, alpn: ["park"], transport: transportFor(streams) }
    const connect = Effect.gen(function* () {
      const connection = yield* client.connect(options)
      for (let i = 0; i < streams; i++) {
        const stream = yield* connection.openBidi
        yield* stream.write(Uint8Array.of(1))
      }
    })
    yield* Effect.forEach(Array.from({ length: connections }), () => connect, {
      concurrency: 16,
      discard: true
    })
    yield* Effect.never
  })

const stack = Layer.merge(layerWithoutTrust, Trust.layerInsecureAcceptsAnyPeer)

/** Runs server and clients in two processes. */
export const parkedStreams = async (connections: number, streams: number): Promise<ParkedStreams> => {
  const file = new URL(import.meta.url)
  const start = (...args: ReadonlyArray<string | number>) =>
    fork(file, [...args, connections, streams].map(String), {
      execArgv: ["--expose-gc"],
      stdio: ["ignore", "ignore", "inherit", "ipc"]
    })
  const server = start("server")
  const [{ port }] = await once(server, "message")
  const client = start("client", port)
  const [result] = await once(server, "message")
  client.kill()
  server.kill()
  return result
}

const [first, ...rest] = process.argv.slice(2)
if (first === "server") {
  const [connections, streams] = rest.map(Number)
  Effect.runFork(Effect.scoped(Effect.provide(serve(connections, streams), stack)))
} else if (first === "client") {
  const [port, connections, streams] = rest.map(Number)
  Effect.runFork(Effect.scoped(Effect.provide(dial(port, connections, streams), stack)))
} else if (import.meta.main) {
  const [connections = 1000, streams = 100] = process.argv.slice(2).map(Number)
  console.log(await parkedStreams(connections, streams))
}
