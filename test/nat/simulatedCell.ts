/** One cell of the matrix in the simulator. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { SimRelay } from "../../layers/sim/relay/SimRelay.ts"
import type { SimHost } from "../../layers/sim/SimHost.ts"
import { AddressDiscovery, DialAddress, Identity, Trust } from "../../src/index.ts"
import type { Role } from "../../src/wire/Role.ts"
import { LiveCryptoSuite } from "../io.ts"
import type { Kind } from "./matrix.ts"
import { dialingPeer, echoPeer, type Public } from "./peers.ts"
import { natWorld, type NatWorldOptions, publicAddresses } from "./simulated.ts"

export const layerOn = (host: SimHost) =>
  Layer.mergeAll(host.layer, LiveCryptoSuite.layer, Trust.layerAnyRawKey)

/** A relay and three nodes that tell others their addresses. */
const publicServices = Effect.fnUntraced(function* (host: SimHost) {
  const relay = yield* SimRelay.make(host)
  const identity = yield* Identity.generateRawKey
  const publicKey = DialAddress.publicKeyOf(identity)
  for (const address of publicAddresses) yield* AddressDiscovery.serve({ host: address, identity })
  const bootstraps = publicAddresses.map((at) => ({ host: at, ...(publicKey && { publicKey }) }))
  return { relay, told: { relays: [relay.url], bootstraps } satisfies Public }
})

export interface CellOptions extends NatWorldOptions {
  /** Port of a relay for the peer that is dialed alone. By default both peers have the same relay. */
  readonly farRelayPort?: number
}

/** Both peers, not connected yet. */
export const simulatedPeers = Effect.fnUntraced(function* (
  kinds: Readonly<Record<Role, Kind>>,
  { farRelayPort, ...options }: CellOptions = {}
) {
  const world = yield* natWorld(kinds, options)
  const { relay, told } = yield* Effect.provide(publicServices(world.public), layerOn(world.public))
  const farRelay =
    farRelayPort === undefined
      ? relay
      : yield* Effect.provide(SimRelay.make(world.public, { port: farRelayPort }), layerOn(world.public))
  const server = yield* Effect.provide(
    echoPeer({ ...told, relays: [farRelay.url] }),
    layerOn(world.server.host)
  )
  const endpoint = yield* Effect.provide(dialingPeer(told), layerOn(world.client.host))
  return { ...world, relay, farRelay, told, endpoint, far: server.endpoint, ticket: server.ticket }
})
