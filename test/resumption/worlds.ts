/** Setups for resumption: two servers with one name, a returning client, and a link that can be tapped. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import type { ReplayGuard } from "../../src/capability/ReplayGuard.ts"
import type { TicketKeys } from "../../src/capability/TicketKeys.ts"
import {
  type ConnectOptions,
  type EndpointLimits,
  QuicEndpoint,
  type QuicEndpointShape,
  type QuicError,
  type QuicStream,
  type ServerOptions,
  Trust
} from "../../src/index.ts"
import { pinned } from "../api/pair.ts"
import type { Place } from "../api/World.ts"
import { LiveCryptoSuite } from "../io.ts"

export const echo = (stream: QuicStream): Effect.Effect<void, QuicError> =>
  Stream.run(stream.readable, stream.writable)

export const PORT = 4433
/** One-way delay between the hosts of `worldOfTwo`. */
export const DELAY_MILLIS = 50

export const identity = Effect.cached(Effect.orDie(NodeIdentity.developmentCertificate()))

/** A client and two servers, each 50 ms away from it. */
export const worldOfTwo = Effect.gen(function* () {
  const network = yield* SimNetwork
  const client = network.host("client", "10.0.0.1")
  const first = network.host("first", "10.0.0.2")
  const second = network.host("second", "10.0.0.3")
  const cable = network.connect(client, first, { delayMillis: DELAY_MILLIS })
  network.connect(client, second, { delayMillis: DELAY_MILLIS })
  const place = (host: typeof client, address: string): Place => ({
    host: address,
    layer: Layer.merge(host.layer, LiveCryptoSuite.layer)
  })
  return {
    client: place(client, "10.0.0.1"),
    first: place(first, "10.0.0.2"),
    second: place(second, "10.0.0.3"),
    cable
  }
})

type Identity = Effect.Success<ReturnType<typeof NodeIdentity.developmentCertificate>>

export const makeServer = (
  place: Place,
  serverIdentity: Identity,
  { limits = {}, ...options }: Partial<ServerOptions> & { readonly limits?: EndpointLimits } = {},
  sharing: Layer.Layer<TicketKeys | ReplayGuard> | Layer.Layer<never> = Layer.empty,
  port = PORT
): Effect.Effect<QuicEndpointShape, QuicError, Scope.Scope> =>
  QuicEndpoint.make({
    host: place.host,
    port,
    limits,
    server: { alpn: ["test"], identity: serverIdentity, ...options }
  }).pipe(Effect.provide(Layer.mergeAll(place.layer, Trust.layerRawKeys([]), sharing)))

export const makeClient = (
  place: Place,
  serverIdentity: Identity
): Effect.Effect<QuicEndpointShape, QuicError, Scope.Scope> =>
  QuicEndpoint.make({ host: place.host }).pipe(
    Effect.provide(Layer.merge(place.layer, pinned(serverIdentity)))
  )

export const to = (server: QuicEndpointShape, options: Partial<ConnectOptions> = {}): ConnectOptions => ({
  host: server.localAddress.host,
  port: server.localAddress.port,
  alpn: ["test"],
  serverName: "localhost",
  ...options
})

/** Connects, waits for the server's tickets and token, and closes. */
export const visit = (client: QuicEndpointShape, options: ConnectOptions) =>
  Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* client.connect(options)
      yield* Effect.sleep("300 millis")
      return connection.facts
    })
  )

/** The duration of `effect` in milliseconds, by its own clock. */
export const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const value = yield* effect
    return { value, millis: (yield* Clock.currentTimeMillis) - before }
  })

/** Writes to a new stream and returns what is echoed. */
export const ask = (
  connection: { readonly openBidi: Effect.Effect<QuicStream, QuicError, Scope.Scope> },
  bytes: Uint8Array
) =>
  Effect.gen(function* () {
    const stream = yield* connection.openBidi
    const writing = yield* Effect.forkScoped(Effect.andThen(stream.write(bytes), stream.finish))
    const chunks = yield* Stream.runCollect(stream.readable)
    yield* Fiber.join(writing)
    return Buffer.concat([...chunks])
  })
