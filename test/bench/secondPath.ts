/**
 * `node test/bench/secondPath.ts [CONNECTIONS]`: what an idle second path of each connection costs the process at either
 * end; the client's has a socket and a fiber of its own.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeIdentity } from "../../layers/node/index.ts"
import { QuicEndpoint, Trust } from "../../src/index.ts"
import { layerWithoutTrust } from "../io.ts"
import { memoryUse } from "./memory.ts"
import type { Figures } from "./report.ts"

export interface SecondPaths {
  readonly connections: number
  /** For each path, beyond what its reserved ID took before. */
  readonly server: PathCost
  readonly client: PathCost
}

interface PathCost {
  /** Heap and buffers. */
  readonly managedBytes: number
}

export const secondPathFigures = ({ connections, server, client }: SecondPaths): Figures => ({
  conditions: `${connections} connections, each with a second path that is idle`,
  figures: [
    { metric: "heap and buffers, server", value: server.managedBytes / 1000, unit: "kB" },
    { metric: "heap and buffers, client", value: client.managedBytes / 1000, unit: "kB" }
  ]
})

/** Datagrams as on an Ethernet: what a socket needs to send one depends on its size. */
const transport = {
  maxPaths: 2,
  maxIdleTimeout: 0,
  handshakeTimeout: 60_000,
  maxDatagramBytes: 1452
}
const told = Effect.promise(() => once(process, "message"))

/** Measures before and after the paths are opened, which the other process waits for. */
const measured = (connections: number, meanwhile: Effect.Effect<void, unknown>) =>
  Effect.gen(function* () {
    const before = yield* Effect.promise(memoryUse)
    process.send!("ready")
    yield* meanwhile
    // until everything is acknowledged
    yield* Effect.sleep(2000)
    const after = yield* Effect.promise(memoryUse)
    process.send!({
      managedBytes: (after.managedBytes - before.managedBytes) / connections
    } satisfies PathCost)
    yield* Effect.never
  })

const serve = (connections: number) =>
  Effect.gen(function* () {
    const identity = yield* NodeIdentity.developmentCertificate()
    const server = yield* QuicEndpoint.make({
      host: "127.0.0.1",
      limits: { acceptBacklog: connections },
      server: { alpn: ["idle"], identity, transport, retry: "never" }
    })
    yield* Effect.forkScoped(server.serve(() => Effect.never))
    process.send!({ port: server.localAddress.port })
    yield* told
    yield* measured(connections, Effect.asVoid(told))
  })

const dial = (connections: number, port: number) =>
  Effect.gen(function* () {
    const client = yield* QuicEndpoint.make({ host: "127.0.0.1" })
    const each = Array.from({ length: connections })
    const all = yield* Effect.forEach(
      each,
      () => client.connect({ host: "127.0.0.1", port, alpn: ["idle"], transport }),
      { concurrency: 16 }
    )
    yield* Effect.sleep(2000)
    process.send!("connected")
    yield* told
    const opening = Effect.forEach(all, (connection) => connection.openPath(), { concurrency: 16 })
    yield* measured(connections, Effect.asVoid(opening))
  })

/** Runs server and clients in two processes. */
export const secondPaths = async (connections: number): Promise<SecondPaths> => {
  const start = (...args: ReadonlyArray<string | number>) =>
    fork(new URL(import.meta.url), args.map(String), {
      execArgv: ["--expose-gc"],
      stdio: ["ignore", "ignore", "inherit", "ipc"]
    })
  const server = start("server", connections)
  const [{ port }] = await once(server, "message")
  const client = start("client", connections, port)
  await once(client, "message")
  server.send("measure")
  await once(server, "message")
  client.send("open")
  await once(client, "message")
  const [ofClient] = await once(client, "message")
  server.send("measure")
  const [ofServer] = await once(server, "message")
  client.kill()
  server.kill()
  return { connections, server: ofServer, client: ofClient }
}

const stack = Layer.merge(layerWithoutTrust, Trust.layerInsecureAcceptsAnyPeer)

const [role, ...rest] = process.argv.slice(2)
if (role === "server" || role === "client") {
  const [connections, port] = rest.map(Number)
  const program = role === "server" ? serve(connections) : dial(connections, port)
  Effect.runFork(Effect.scoped(Effect.provide(program, stack)))
} else if (import.meta.main) console.log(await secondPaths(Number(role ?? 200)))
