/** Connects to the holder of a key, wherever a ticket says it may be: through a relay and directly. */
import * as Effect from "effect/Effect"
import { Flag } from "effect/cli"
import type { DialAddress } from "../DialAddress.ts"
import * as Identity from "../Identity.ts"
import { QuicEndpoint } from "../QuicEndpoint.ts"
import { layerNoTrust } from "./credentials.ts"

/** Relays of a command that is found by its ticket. */
export const relayFlag = Flag.String("relay").pipe(
  Flag.withMetavar("URL"),
  Flag.withDescription("Relay at which others find this one; repeatable"),
  Flag.atLeast(0)
)

/** What answers first as the holder of the key; its server knows nothing of this one. */
export const reach = Effect.fnUntraced(function* (address: DialAddress, alpn: string) {
  // relays want to know whom they serve
  const identity = yield* Identity.generateRawKey
  // the peer's relays also tell this one its address, by which a direct path is found
  const { relays } = address
  const endpoint = yield* Effect.provide(QuicEndpoint.make({ identity, relays }), layerNoTrust)
  return yield* endpoint.dial(address, { alpn: [alpn] })
})
