/**
 * `node test/bench/crowd.ts [CLIENTS …]`: that many clients at once against a server with default options in another
 * process. A client is served when its handshake is complete and its call answered. Reports how many are served per
 * second, compared to sequential clients, and whether each of the others learns that it was not.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { NodeCertificateVerifier } from "../../layers/node/index.ts"
import { QuicEndpoint, type QuicEndpointShape } from "../../src/index.ts"
import { answerCall, call } from "./calls.ts"
import { certificate } from "./identity.ts"
import type { Figures } from "./report.ts"
import { layerWithoutTrust } from "../io.ts"

const CLIENTS_AN_ENDPOINT = 100
const SEQUENTIAL = 150
/** By then an answer will never runClients: the idle timeout is longer, but nothing on loopback takes this long. */
const HOPELESS_MILLIS = 20_000

export interface Crowd {
  readonly clients: number
  readonly served: number
  /** Until the last client was served. */
  readonly seconds: number
  readonly perSecond: number
  readonly sequentialPerSecond: number
  /** Closed with CONNECTION_REFUSED. */
  readonly refused: number
  /** Gave up without an answer. */
  readonly timedOut: number
  /** Closed in any other way, before or after the handshake. */
  readonly closed: number
  /** Believe they are connected, but nothing comes back. */
  readonly deceived: number
}

export const crowdFigures = (crowd: Crowd): Figures => {
  const { clients, served, perSecond, sequentialPerSecond, refused, timedOut, closed, deceived } = crowd
  return {
    conditions: `${clients} clients at once`,
    figures: [
      { metric: "served", value: served, unit: "" },
      { metric: "served per second", value: perSecond, unit: "1/s" },
      { metric: "sequential", value: sequentialPerSecond, unit: "1/s" },
      { metric: "ratio to sequential", value: perSecond / sequentialPerSecond, unit: "" },
      { metric: "refused", value: refused, unit: "" },
      { metric: "timed out", value: timedOut, unit: "" },
      { metric: "closed otherwise", value: closed, unit: "" },
      { metric: "left with a dead connection", value: deceived, unit: "" }
    ]
  }
}

const serve = Effect.gen(function* () {
  const { identity } = yield* Effect.promise(certificate)
  const server = yield* QuicEndpoint.make({ host: "127.0.0.1", server: { alpn: ["crowd"], identity } })
  yield* Effect.forkScoped(server.serveStreams(answerCall))
  process.send!({ port: server.localAddress.port })
  return yield* Effect.never
})

type Ending = "served" | "refused" | "timedOut" | "closed" | "deceived"

/** One client, connected until `scope` closes. */
const visit = (endpoint: QuicEndpointShape, port: number, scope: Scope.Scope, onServed: () => void) =>
  Effect.gen(function* () {
    const options = { host: "127.0.0.1", port, serverName: "localhost", alpn: ["crowd"] }
    const connection = yield* Scope.provide(endpoint.connect(options), scope)
    const answered = yield* Effect.timeoutOption(call(connection), HOPELESS_MILLIS)
    if (answered._tag === "None") return "deceived" as const
    onServed()
    return "served" as const
  }).pipe(
    Effect.catch(({ reason }) => {
      if (reason._tag === "HandshakeTimeout") return Effect.succeed("timedOut" as const)
      const isRefused = reason._tag === "TransportClosed" && reason.origin === "peer" && reason.code === 2
      return Effect.succeed<Ending>(isRefused ? "refused" : "closed")
    })
  )

const sequentialRate = Effect.fnUntraced(function* (endpoint: QuicEndpointShape, port: number) {
  const one = Effect.scoped(Effect.flatMap(Effect.scope, (scope) => visit(endpoint, port, scope, () => {})))
  for (let i = 0; i < SEQUENTIAL / 3; i++) yield* one
  const startedAt = performance.now()
  for (let i = 0; i < SEQUENTIAL; i++) yield* one
  return (1000 * SEQUENTIAL) / (performance.now() - startedAt)
})

const runClients = (port: number, clients: number) =>
  Effect.gen(function* () {
    const sequentialPerSecond = yield* sequentialRate(yield* QuicEndpoint.make({ host: "127.0.0.1" }), port)
    const endpoints = yield* Effect.forEach(
      Array.from({ length: Math.ceil(clients / CLIENTS_AN_ENDPOINT) }),
      () => QuicEndpoint.make({ host: "127.0.0.1" })
    )
    const scope = yield* Scope.make()
    const startedAt = performance.now()
    let lastAt = startedAt
    const all = Array.from({ length: clients }, (_, i) =>
      visit(endpoints[i % endpoints.length], port, scope, () => {
        lastAt = performance.now()
      })
    )
    const fates = yield* Effect.all(all, { concurrency: "unbounded" })
    const count = (fate: Ending): number => fates.filter((each) => each === fate).length
    const seconds = (lastAt - startedAt) / 1000
    const served = count("served")
    const result: Crowd = {
      clients,
      served,
      seconds,
      perSecond: served / seconds,
      sequentialPerSecond,
      refused: count("refused"),
      timedOut: count("timedOut"),
      closed: count("closed"),
      deceived: count("deceived")
    }
    yield* Scope.close(scope, Exit.interrupt())
    process.send!(result)
  })

/** Runs server and clients in two processes. */
export const crowd = async (clients: number): Promise<Crowd> => {
  const { certPem, keyPem } = await certificate()
  const start = (...args: ReadonlyArray<string | number>) =>
    fork(new URL(import.meta.url), [...args, clients].map(String), {
      env: { ...process.env, BENCH_CERT: certPem, BENCH_KEY: keyPem },
      stdio: ["ignore", "ignore", "inherit", "ipc"]
    })
  const server = start("server")
  const [{ port }] = await once(server, "message")
  const client = start("client", port)
  try {
    const [result] = await Promise.race([
      once(client, "message"),
      once(client, "exit").then(() => Promise.reject(new Error("the clients died")))
    ])
    return result
  } finally {
    client.kill()
    server.kill()
  }
}

const [first, ...rest] = process.argv.slice(2)
if (process.send !== undefined && (first === "server" || first === "client")) {
  const { identity } = await certificate()
  const stack = Layer.merge(
    layerWithoutTrust,
    NodeCertificateVerifier.layerPinnedCertificates(identity.chain)
  )
  const [port, clients] = rest.map(Number)
  await Effect.runPromise(
    Effect.scoped(Effect.provide(first === "server" ? serve : runClients(port, clients), stack))
  )
} else if (import.meta.main) {
  const sizes = process.argv.slice(2).map(Number)
  for (const clients of sizes.length > 0 ? sizes : [100, 400, 1600]) console.log(await crowd(clients))
}
