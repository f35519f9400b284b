/** Two peers with keys, each behind a link of its own, and relays. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { SimNetwork } from "../../layers/sim/SimNetwork.ts"
import {
  DialAddress,
  type DialOptions,
  type EndpointOptions,
  Identity,
  QuicEndpoint,
  type QuicConnection,
  type QuicEndpointShape,
  Trust
} from "../../src/index.ts"
import { LiveCryptoSuite } from "../io.ts"
import { FakeRelays } from "./FakeRelays.ts"

export const RELAY = "https://relay.example.org/"
export const OTHER_RELAY = "https://other.example.org/"
export const options: DialOptions = { alpn: ["test"] }

/** Hosts that reach each other directly only if `cable` is up. */
export const dialWorld = Effect.fnUntraced(function* (delays: Readonly<Record<string, number>> = {}) {
  const network = yield* SimNetwork
  const here = network.host("here", "10.0.0.1")
  const there = network.host("there", "10.0.0.2")
  const cable = network.connect(here, there, { delayMillis: 10 })
  const relays = yield* FakeRelays.make(delays)
  const layerOf = (host: typeof here) => Layer.mergeAll(host.layer, LiveCryptoSuite.layer, relays.layer)
  return { network, cable, relays, here: layerOf(here), there: layerOf(there) }
})

export type DialWorld = Effect.Success<ReturnType<typeof dialWorld>>

/** An endpoint with a key of its own. */
export const peerAt = Effect.fnUntraced(function* (layer: DialWorld["here"], given: EndpointOptions = {}) {
  const identity = yield* Effect.provide(Identity.generateRawKey, layer)
  const endpoint = yield* QuicEndpoint.make({ identity, relays: [RELAY], ...given }).pipe(
    Effect.provide(Layer.merge(layer, Trust.layerAnyRawKey))
  )
  return { identity, endpoint }
})

/** One that echoes every stream. */
export const echoingAt = Effect.fnUntraced(function* (layer: DialWorld["here"], given: EndpointOptions = {}) {
  const peer = yield* peerAt(layer, { server: { alpn: ["test"] }, ...given })
  yield* peer.endpoint
    .serveStreams((stream) => Stream.run(stream.readable, stream.writable))
    .pipe(Effect.ignore, Effect.forkScoped)
  return peer
})

/** The address of an endpoint without what it knows of the machine's addresses. */
export const relayOnly = (endpoint: QuicEndpointShape) =>
  Effect.gen(function* () {
    yield* endpoint.online
    const { publicKey, relays } = yield* endpoint.dialAddress
    return yield* DialAddress.make({ publicKey, relays })
  })

export const pathKinds = (connection: QuicConnection): ReadonlyArray<string> =>
  connection.paths.map(
    ({ remote, carriesData }) =>
      `${remote.relayed === undefined ? "direct" : "relay"}${carriesData ? "" : " idle"}`
  )

/** Waits until `holds`, looking every 10 ms. */
export const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (holds() ? Effect.void : Effect.delay(until(holds), 10)))
