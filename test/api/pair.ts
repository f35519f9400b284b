/** Two endpoints that trust each other, and a connection between them. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as NodeCertificateVerifier from "../../layers/node/NodeCertificateVerifier.ts"
import * as NodeIdentity from "../../layers/node/NodeIdentity.ts"
import type { CertificateVerifier } from "../../src/capability/CertificateVerifier.ts"
import {
  type ConnectOptions,
  type EndpointOptions,
  type Identity,
  type QuicConnection,
  QuicEndpoint,
  type QuicEndpointShape,
  type QuicError,
  type QuicErrorReason,
  type QuicStream,
  type ServerOptions,
  Trust
} from "../../src/index.ts"
import type { Place, World } from "./World.ts"
import { UdpPort } from "../../src/capability/UdpPort.ts"

export interface PairOptions {
  readonly server?: Partial<ServerOptions>
  readonly client?: Partial<ConnectOptions>
  readonly serverEndpoint?: EndpointOptions
  /** Whom the client trusts; by default the server's certificate only. */
  readonly clientTrust?: Layer.Layer<CertificateVerifier>
  /** Whom the server trusts; by default nobody. */
  readonly serverTrust?: Layer.Layer<CertificateVerifier>
}

export interface Endpoints {
  readonly server: QuicEndpointShape
  readonly client: QuicEndpointShape
  readonly identity: Identity.Identity
  readonly connectOptions: ConnectOptions
}

const nobody = Trust.layerRawKeys([])

export const makeEndpoint = (
  place: Place,
  trust: Layer.Layer<CertificateVerifier>,
  options: EndpointOptions = {}
): Effect.Effect<QuicEndpointShape, QuicError, Scope.Scope> =>
  QuicEndpoint.make({ host: place.host, ...options }).pipe(Effect.provide(Layer.merge(place.layer, trust)))

export const pinned = (identity: Identity.Identity): Layer.Layer<CertificateVerifier> =>
  Layer.orDie(NodeCertificateVerifier.layerPinnedCertificates(identity.chain))

export const endpoints = Effect.fnUntraced(function* (world: World, options: PairOptions = {}) {
  const identity = yield* Effect.orDie(NodeIdentity.developmentCertificate())
  const server = yield* makeEndpoint(world.server, options.serverTrust ?? nobody, {
    ...options.serverEndpoint,
    server: { alpn: ["test"], identity, ...options.server }
  })
  const client = yield* makeEndpoint(world.client, options.clientTrust ?? pinned(identity))
  const connectOptions: ConnectOptions = {
    host: server.localAddress.host,
    port: server.localAddress.port,
    alpn: ["test"],
    serverName: "localhost",
    ...options.client
  }
  return { server, client, identity, connectOptions } satisfies Endpoints
})

export interface Pair extends Endpoints {
  readonly near: QuicConnection
  readonly far: QuicConnection
}

/** `near` is the client's end, `far` the server's. */
export const pair = Effect.fnUntraced(function* (world: World, options: PairOptions = {}) {
  const both = yield* endpoints(world, options)
  const [near, far] = yield* Effect.all([both.client.connect(both.connectOptions), both.server.accept], {
    concurrency: "unbounded"
  })
  return { ...both, near, far } satisfies Pair
})

export const text = (value: string): Uint8Array => new TextEncoder().encode(value)

export const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.length
  }
  return all
}

/** Everything to the end of the stream. */
export const readAll = (stream: QuicStream): Effect.Effect<Uint8Array, QuicError> =>
  Effect.map(Stream.runCollect(stream.readable), (chunks) => concat([...chunks]))

export const readText = (stream: QuicStream): Effect.Effect<string, QuicError> =>
  Effect.map(readAll(stream), (bytes) => new TextDecoder().decode(bytes))

/** The reason an operation failed with; dies if it succeeds. */
export const reasonOf = <A, R>(
  operation: Effect.Effect<A, QuicError, R>
): Effect.Effect<QuicErrorReason, never, Exclude<R, Scope.Scope>> =>
  Effect.scoped(
    Effect.matchEffect(operation, {
      onFailure: (error) => Effect.succeed(error.reason),
      onSuccess: (value) => Effect.die(new Error(`it succeeded with ${String(value)}`))
    })
  )

/** Silences logging for handlers that are meant to fail. */
export const quietly = Effect.provideService(References.MinimumLogLevel, "None")

/** A block in which every byte depends on its position. */
export const pattern = (size: number, seed = 1): Uint8Array => {
  const bytes = new Uint8Array(size)
  for (let i = 0, x = seed; i < size; i++) {
    x = (Math.imul(x, 1_103_515_245) + 12_345) | 0
    bytes[i] = x >>> 16
  }
  return bytes
}

/** A port of the server's host where somebody listens who never answers: a closed one may be reported at once. */
export const silentPort = ({ server }: World) =>
  Effect.gen(function* () {
    const { bind } = yield* UdpPort
    return (yield* bind({ host: server.host })).localAddress.port
  }).pipe(Effect.provide(server.layer))
