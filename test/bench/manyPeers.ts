/**
 * `node test/bench/manyPeers.ts [PEERS …]`: one endpoint that serves many peers. First all of them together make a fixed
 * number of calls a second, so that a packet's cost can be compared with that of few peers under the same load; then
 * each calls again as soon as it is answered. Reports whether all are served, how fairly, what a packet costs the
 * server, and whether they close cleanly.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { NodeCertificateVerifier } from "../../layers/node/index.ts"
import { type QuicConnection, QuicEndpoint } from "../../src/index.ts"
import { answerCall, call } from "./calls.ts"
import { certificate } from "./identity.ts"
import type { Figures } from "./report.ts"
import { heard } from "./sides.ts"
import { layerWithoutTrust } from "../io.ts"

const PEERS_AN_ENDPOINT = 100
/** Connecting at once; more would measure the queue for handshakes. */
const CONNECTING = 100
/** Each peer should have been answered at least ten times. */
const callingMillis = (peers: number): number => Math.max(5_000, 8 * peers)
const WARM_UP_MILLIS = 2_000
/** Of all peers together, at a steady load. */
const STEADY_CALLS_PER_SECOND = 3_000
const STEADY_MILLIS = 10_000

interface ServerUsage {
  readonly cpuMicros: number
  readonly datagrams: number
  readonly connections: number
}

export interface ManyPeers {
  readonly peers: number
  /** Peers that were answered while all called. */
  readonly served: number
  readonly callsPerSecond: number
  /** Calls of the peer with the fewest and with the most. */
  readonly fewest: number
  readonly most: number
  /** The server's CPU time for each datagram in or out, at a steady load, and while each calls as fast as it can. */
  readonly steadyMicrosPerDatagram: number
  readonly fullMicrosPerDatagram: number
  /** Connections the server still has a second after all peers have left. */
  readonly left: number
}

export const manyPeersFigures = (few: ManyPeers, many: ManyPeers): Figures => ({
  conditions: `${many.peers} peers, each calling`,
  figures: [
    { metric: "served", value: many.served, unit: "" },
    { metric: "calls", value: many.callsPerSecond, unit: "1/s" },
    { metric: "fewest calls of a peer", value: many.fewest, unit: "" },
    { metric: "most calls of a peer", value: many.most, unit: "" },
    { metric: "most to fewest", value: many.most / many.fewest, unit: "" },
    {
      metric: `steady: server CPU a datagram, ${few.peers} peers`,
      value: few.steadyMicrosPerDatagram,
      unit: "µs"
    },
    { metric: "steady: server CPU a datagram", value: many.steadyMicrosPerDatagram, unit: "µs" },
    { metric: "steady: ratio", value: many.steadyMicrosPerDatagram / few.steadyMicrosPerDatagram, unit: "" },
    {
      metric: `full: server CPU a datagram, ${few.peers} peers`,
      value: few.fullMicrosPerDatagram,
      unit: "µs"
    },
    { metric: "full: server CPU a datagram", value: many.fullMicrosPerDatagram, unit: "µs" },
    { metric: "full: ratio", value: many.fullMicrosPerDatagram / few.fullMicrosPerDatagram, unit: "" },
    { metric: "connections left after closing", value: many.left, unit: "" }
  ]
})

const serve = Effect.gen(function* () {
  const { identity } = yield* Effect.promise(certificate)
  const server = yield* QuicEndpoint.make({ host: "127.0.0.1", server: { alpn: ["many"], identity } })
  const connections = new Set<QuicConnection>()
  const counted = { datagrams: 0 }
  const datagramsOf = ({ stats }: QuicConnection) => stats.datagramsSent + stats.datagramsReceived
  const handlers = server.serve((connection) =>
    Effect.suspend(() => {
      connections.add(connection)
      return connection.serveStreams(answerCall)
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          counted.datagrams += datagramsOf(connection)
          connections.delete(connection)
        })
      )
    )
  )
  yield* Effect.forkScoped(handlers)
  process.on("message", () => {
    const { user, system } = process.cpuUsage()
    const datagrams = Array.from(connections, datagramsOf).reduce((sum, n) => sum + n, counted.datagrams)
    const usage: ServerUsage = { cpuMicros: user + system, datagrams, connections: connections.size }
    process.send!(usage)
  })
  process.send!({ port: server.localAddress.port })
  return yield* Effect.never
})

/** Calls until time is up, at most every `everyMillis`; the number of answers. */
const keepCalling = Effect.fnUntraced(function* (
  connection: QuicConnection,
  until: number,
  everyMillis: number,
  firstAfter: number
) {
  let answered = 0
  let next = performance.now() + firstAfter
  while (performance.now() < until) {
    if (everyMillis > 0) yield* Effect.sleep(Math.max(0, next - performance.now()))
    next += everyMillis
    yield* call(connection)
    answered++
  }
  return answered
})

const callAll = (connections: ReadonlyArray<QuicConnection>, millis: number, everyMillis = 0) => {
  const until = performance.now() + millis
  return Effect.forEach(
    connections,
    (connection, n) => keepCalling(connection, until, everyMillis, (n * everyMillis) / connections.length),
    { concurrency: "unbounded" }
  )
}

/** All peers connect, then warm up, call, and leave when they are told to. */
const runPeers = (port: number, peers: number) =>
  Effect.gen(function* () {
    const endpoints = yield* Effect.forEach(
      Array.from({ length: Math.ceil(peers / PEERS_AN_ENDPOINT) }),
      () => QuicEndpoint.make({ host: "127.0.0.1" })
    )
    const scope = yield* Scope.make()
    const options = { host: "127.0.0.1", port, serverName: "localhost", alpn: ["many"] }
    const connections = yield* Effect.forEach(
      Array.from({ length: peers }),
      (_, n) => Scope.provide(endpoints[n % endpoints.length].connect(options), scope),
      { concurrency: CONNECTING }
    )
    yield* callAll(connections, WARM_UP_MILLIS)
    process.send!({ ready: true })
    const told = Effect.promise(() => once(process, "message"))
    yield* told
    yield* callAll(connections, STEADY_MILLIS, (1000 * peers) / STEADY_CALLS_PER_SECOND)
    process.send!({ steady: true })
    yield* told
    const startedAt = performance.now()
    const calls = yield* callAll(connections, callingMillis(peers))
    process.send!({ calls, seconds: (performance.now() - startedAt) / 1000 })
    yield* told
    yield* Scope.close(scope, Exit.void)
    process.send!({ left: true })
    yield* Effect.never
  })

const cost = (from: ServerUsage, to: ServerUsage): number =>
  (to.cpuMicros - from.cpuMicros) / (to.datagrams - from.datagrams)

/** Runs server and peers in two processes. */
export const manyPeers = async (peers: number): Promise<ManyPeers> => {
  const { certPem, keyPem } = await certificate()
  const start = (...args: ReadonlyArray<string | number>) =>
    fork(new URL(import.meta.url), args.map(String), {
      env: { ...process.env, BENCH_CERT: certPem, BENCH_KEY: keyPem },
      stdio: ["ignore", "ignore", "inherit", "ipc"]
    })
  const server = start("server")
  const { port } = await heard<{ port: number }>(server)
  const client = start("client", port, peers)
  const ask = <A extends object>(child: typeof server): Promise<A> => {
    const answer = heard<A>(child)
    child.send({})
    return answer
  }
  try {
    await heard(client)
    const atFirst = await ask<ServerUsage>(server)
    await ask(client)
    const before = await ask<ServerUsage>(server)
    const { calls, seconds } = await ask<{ calls: ReadonlyArray<number>; seconds: number }>(client)
    const after = await ask<ServerUsage>(server)
    await ask(client)
    await sleep(1000)
    return {
      peers,
      served: calls.filter((count) => count > 0).length,
      callsPerSecond: calls.reduce((sum, count) => sum + count, 0) / seconds,
      fewest: Math.min(...calls),
      most: Math.max(...calls),
      steadyMicrosPerDatagram: cost(atFirst, before),
      fullMicrosPerDatagram: cost(before, after),
      left: (await ask<ServerUsage>(server)).connections
    }
  } finally {
    client.kill()
    server.kill()
  }
}

const [first, ...rest] = process.argv.slice(2)
if (process.send !== undefined && (first === "server" || first === "client")) {
  const { identity } = await certificate()
  const stack = Layer.mergeAll(
    layerWithoutTrust,
    NodeCertificateVerifier.layerPinnedCertificates(identity.chain),
    Logger.layer([])
  )
  const [port, peers] = rest.map(Number)
  await Effect.runPromise(
    Effect.scoped(Effect.provide(first === "server" ? serve : runPeers(port, peers), stack))
  )
} else if (import.meta.main) {
  const sizes = process.argv.slice(2).map(Number)
  for (const peers of sizes.length > 0 ? sizes : [50, 5000]) console.log(await manyPeers(peers))
}
