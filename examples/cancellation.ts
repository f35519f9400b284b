/**
 * Interrupts operations that would wait forever with a timeout, a race and the end of a scope. Afterwards the fiber trees
 * of both endpoints show that nothing is left.
 */
import { isDeepStrictEqual } from "node:util"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Schedule, type Scope } from "effect"
import { type QuicConnection, QuicEndpoint, type QuicEndpointShape } from "../src/index.ts"
import { alpn, onLoopback } from "./loopback.ts"

/** Resources held by an endpoint, counted in its fiber tree. */
const held = (endpoint: QuicEndpointShape) =>
  Effect.map(endpoint.tree, ({ fibers, sockets, routedIds, backlog, peers, connections }) => ({
    fibers,
    sockets,
    routedIds,
    backlog,
    peers: peers.length,
    connections: connections.map(({ waiting, streams, holdings }) => ({
      waiting,
      streams: streams.length,
      bytes: holdings.sendBufferBytes + holdings.receiveBufferBytes + holdings.datagramBytes,
      connectionIds: holdings.localConnectionIds + holdings.peerConnectionIds,
      routes: holdings.routes
    }))
  }))

type Operation = Effect.Effect<unknown, unknown, Scope.Scope>

/** Three ways to be interrupted. */
const ways: ReadonlyArray<(operation: Operation) => Operation> = [
  (operation) => Effect.timeoutOption(operation, 20),
  (operation) => Effect.raceFirst(operation, Effect.sleep(20)),
  (operation) => Effect.scoped(Effect.andThen(Effect.forkScoped(operation), Effect.sleep(20)))
]

const program = onLoopback((identity) =>
  Effect.gen(function* () {
    const transport = { maxBidirectionalStreams: 1, streamWindowBytes: 1_200, maxDatagramFrameBytes: 1_200 }
    const server = yield* QuicEndpoint.make({ host: "127.0.0.1", server: { alpn, identity, transport } })
    const client = yield* QuicEndpoint.make({ host: "127.0.0.1" })
    const { port } = server.localAddress
    const [near, far] = yield* Effect.all(
      [client.connect({ host: "localhost", port, alpn }), server.accept],
      {
        concurrency: "unbounded"
      }
    )
    // a stream with full buffers in both directions, and as many streams as the server allows
    const stream = yield* near.openBidi
    yield* stream.write(new Uint8Array(2_000_000))
    yield* Effect.sleep(200)

    // nothing listens there; the short initial RTT shortens the closing period
    const nobody = { host: "127.0.0.1", port: 9, alpn, transport: { initialRtt: "1 milli" } } as const
    const echo = (connection: QuicConnection) =>
      connection.serveStreams((incoming) => Effect.andThen(incoming.read(1), Effect.never))

    const operations: Record<string, Operation> = {
      connect: client.connect(nobody),
      accept: server.accept,
      serve: server.serve(echo),
      peer: Effect.flatMap(client.peer(nobody), (peer) => peer.connection),
      openBidi: near.openBidi,
      acceptUni: far.acceptUni,
      read: stream.read(),
      write: stream.write(new Uint8Array(1_000)),
      finished: stream.finished,
      receiveDatagram: far.receiveDatagram,
      closed: near.closed
    }
    for (const [name, operation] of Object.entries(operations)) {
      const both = Effect.all([held(client), held(server)])
      const before = yield* both
      for (const interrupt of ways) yield* Effect.scoped(interrupt(operation))
      // a closed connection stays in the closing state for three PTOs: RFC 9000 §10.2
      yield* Effect.map(both, (after) => isDeepStrictEqual(after, before)).pipe(
        Effect.repeat({ until: (isSame) => isSame, schedule: Schedule.spaced(50) }),
        Effect.timeout(5_000)
      )
      yield* Console.log(`${name}: nothing is left`)
    }

    // and everything still works
    yield* Effect.forkScoped(far.serveStreams((incoming) => Effect.forever(incoming.read())))
    yield* stream.write(new Uint8Array(1_000))
    yield* stream.finish
    yield* stream.finished
    yield* Console.log("and all of the stream has arrived")
  })
)

NodeRuntime.runMain(program)
