/** Connects to the holder of a key, wherever a ticket says it may be. */
import * as Effect from "effect/Effect"
import type { DialAddress } from "../DialAddress.ts"
import { spkiOf } from "../internal/ed25519.ts"
import { QuicEndpoint } from "../QuicEndpoint.ts"
import * as Trust from "../Trust.ts"
import { ExitCode } from "./exitCodes.ts"
import { fail } from "./report.ts"

/** The first of the addresses that answers, as the holder of the key. */
export const reach = Effect.fnUntraced(function* (address: DialAddress, alpn: string) {
  if (address.addresses.length === 0)
    return yield* fail("the ticket has no address to connect to", ExitCode.unreachable)
  const endpoint = yield* QuicEndpoint.make().pipe(
    Effect.provide(Trust.layerRawKeys([spkiOf(address.publicKey)]))
  )
  const attempts = address.addresses.map(({ host, port }) => endpoint.connect({ host, port, alpn: [alpn] }))
  return yield* Effect.raceAll(attempts)
})
