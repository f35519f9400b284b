/** The stages on which operations are swept: two endpoints, or a connection between them. */
import assert from "node:assert/strict"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { QuicConnection, QuicEndpointShape, QuicErrorReason, QuicStream } from "../../src/index.ts"
import { endpoints, type Endpoints, type Pair, pair, type PairOptions, readText, text } from "../api/pair.ts"
import type { World } from "../api/World.ts"
import type { Stage } from "./sweep.ts"

export const transport = { maxDatagramFrameBytes: 1_200 }

const withDatagrams = (options: PairOptions): PairOptions => ({
  ...options,
  server: { ...options.server, transport: { ...transport, ...options.server?.transport } },
  client: { ...options.client, transport: { ...transport, ...options.client?.transport } }
})

/** Answers a stream with what was read from it. */
export const echo = Effect.fnUntraced(function* (stream: QuicStream) {
  if (stream.isUnidirectional) return void (yield* Effect.ignore(readText(stream)))
  yield* stream.write(text(yield* readText(stream)))
  yield* stream.finish
})

/** Exchanges data on a stream in both directions, and a datagram. */
export const talk = Effect.fnUntraced(function* (near: QuicConnection, far: QuicConnection) {
  const answering = yield* Effect.forkScoped(
    Effect.ignore(far.serveStreams((stream) => Effect.ignore(echo(stream))))
  )
  const stream = yield* near.openBidi
  yield* stream.write(text("does it still work?"))
  yield* stream.finish
  assert.equal(yield* Effect.timeout(readText(stream), 5_000), "does it still work?")
  yield* near.sendDatagram(text("and datagrams?"))
  assert.deepEqual(yield* Effect.timeout(far.receiveDatagram, 1_000), text("and datagrams?"))
  yield* Fiber.interrupt(answering)
})

export interface Connected extends Stage, Pair {
  readonly world: World
}

/** `near` is the client's end of a connection, `far` the server's; streams are not answered. */
export const connected =
  (options: PairOptions = {}) =>
  (world: World) =>
    Effect.map(
      pair(world, withDatagrams(options)),
      (both): Connected => ({
        ...both,
        world,
        endpoints: [both.client, both.server],
        works: talk(both.near, both.far)
      })
    )

/** A connection whose server reads and answers all streams. */
export const answered =
  (options: PairOptions = {}) =>
  (world: World) =>
    Effect.gen(function* () {
      const stage = yield* connected(options)(world)
      const scope = yield* Scope.make()
      yield* Effect.forkIn(
        Effect.ignore(stage.far.serveStreams((stream) => Effect.ignore(echo(stream)))),
        scope
      )
      // `works` brings its own answering side
      const works = Effect.andThen(Scope.close(scope, Exit.void), stage.works)
      return { ...stage, works } satisfies Connected
    })

export interface Apart extends Stage, Endpoints {
  readonly world: World
}

/** Connects again and exchanges data. */
export const meet = Effect.fnUntraced(function* (
  client: QuicEndpointShape,
  server: QuicEndpointShape,
  options: Endpoints["connectOptions"]
) {
  const [near, far] = yield* Effect.timeout(
    Effect.all([client.connect(options), server.accept], { concurrency: "unbounded" }),
    10_000
  )
  yield* talk(near, far)
  return near
})

/** Two endpoints without a connection. */
export const apart =
  (options: PairOptions = {}) =>
  (world: World) =>
    Effect.map(
      endpoints(world, withDatagrams(options)),
      (both): Apart => ({
        ...both,
        world,
        endpoints: [both.client, both.server],
        works: Effect.asVoid(meet(both.client, both.server, both.connectOptions))
      })
    )

export interface Served extends Apart {
  /** How the server's connections ended. */
  readonly ends: Array<QuicErrorReason>
}

/** Asks a server that echoes the question. */
export const ask = <R>(open: Effect.Effect<QuicStream, unknown, R>) =>
  Effect.gen(function* () {
    const stream = yield* open
    yield* stream.write(text("does it still work?"))
    yield* stream.finish
    assert.equal(yield* readText(stream), "does it still work?")
  }).pipe(Effect.scoped, Effect.timeout(5_000))

/** Two endpoints; the server accepts all connections, answers their streams, and never closes one. */
export const served =
  (options: PairOptions = {}) =>
  (world: World) =>
    Effect.gen(function* () {
      const stage = yield* apart(options)(world)
      const ends: Array<QuicErrorReason> = []
      yield* Effect.forkScoped(
        stage.server.serve((connection) =>
          Effect.andThen(
            Effect.ignore(connection.serveStreams((stream) => Effect.ignore(echo(stream)))),
            Effect.map(connection.closed, ({ reason }) => void ends.push(reason))
          )
        )
      )
      const works = Effect.flatMap(stage.client.connect(stage.connectOptions), (connection) =>
        ask(connection.openBidi)
      )
      return { ...stage, ends, works } satisfies Served
    })

/**
 * CONNECTION_CLOSE with a code of the client; APPLICATION_ERROR before 1-RTT keys are available. RFC 9000 §10.2.3
 */
export const isClean = (end: QuicErrorReason): boolean =>
  (end._tag === "ApplicationClosed" && end.origin === "peer" && [0, 7].includes(end.code)) ||
  (end._tag === "TransportClosed" && end.origin === "peer" && end.code === 0x0c)

/** Checks that each connection ended as documented. */
export const endedWell = ({ ends }: Served) =>
  Effect.gen(function* () {
    yield* Effect.sleep(1_000)
    for (const end of ends) assert(isClean(end), `the server saw ${JSON.stringify(end)}`)
  })
