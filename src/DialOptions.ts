/**
 * The options of `endpoint.dial`: how to connect to the holder of a key.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { DialedPeer } from "./actor/dialKey.ts"
import { checkRecord } from "./arguments.ts"
import { clientSettings } from "./clientSettings.ts"
import * as DialAddress from "./DialAddress.ts"
import type { ConnectOptions } from "./EndpointOptions.ts"
import type { Identity } from "./Identity.ts"
import * as PeerId from "./PeerId.ts"
import { invalidOption } from "./QuicError.ts"
import { PATHS_WITH_RELAY } from "./relaySettings.ts"
import type { SettingsContext } from "./serverSettings.ts"
import * as Trust from "./Trust.ts"
import type { TraversalSettings } from "./nat/TraversalSettings.ts"
import { traversalTransport } from "./traversalTransport.ts"

/** What the address says, or what does not matter to a key. */
const foreign = ["host", "port", "serverName", "earlyData", "reconnectToken"] as const

/**
 * How to connect to the holder of a key.
 *
 * **Details**
 *
 * As for `connect`, without what the address says. `identity` is the endpoint's by default. `attemptDelay` is the
 * time between addresses after the first, 10 millis to 2 seconds, default 50 millis; the first begins together with the relay.
 * `transport.maxPaths` is 4 by default: direct paths are used besides the relayed one.
 *
 * @category options
 * @since 0.1.0
 */
export interface DialOptions extends Omit<ConnectOptions, (typeof foreign)[number]> {}

const ATTEMPT_DELAY_MILLIS = 50
const CONNECT_TIMEOUT_MILLIS = 30_000

/** Checks the options of a dial and fills in the defaults. */
export const dialSettings = Effect.fnUntraced(function* (
  address: DialAddress.DialAddress,
  given: DialOptions,
  own: Identity | undefined,
  traverses: TraversalSettings | undefined,
  context: SettingsContext
) {
  yield* checkRecord(given, "options")
  for (const field of foreign)
    if (field in given)
      return yield* invalidOption(field, "nothing: the address says whom to dial, and where")
  const { publicKey, relays, addresses } = address
  const { identity = own, transport } = given
  const peerId = DialAddress.peerId(address)
  const { tls, ...settings } = yield* clientSettings(
    {
      ...given,
      host: DialAddress.serverName(publicKey),
      port: 1,
      ...(identity !== undefined && { identity }),
      transport: { maxPaths: PATHS_WITH_RELAY, ...traversalTransport(traverses), ...transport }
    },
    context
  )
  const peer: DialedPeer = {
    name: PeerId.short(peerId),
    publicKey,
    relays,
    addresses,
    tls: { ...tls, peerCertificateTypes: ["rawPublicKey"] },
    transport: settings.transport,
    verifier: Trust.rawKeys([peerId]),
    memory: settings.memory,
    attemptDelayMillis: settings.attemptDelayMillis ?? ATTEMPT_DELAY_MILLIS,
    connectTimeoutMillis: settings.connectTimeoutMillis ?? CONNECT_TIMEOUT_MILLIS
  }
  return peer
})
