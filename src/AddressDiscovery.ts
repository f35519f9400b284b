/**
 * Tells clients which address they have from outside, over QUIC: what STUN does, encrypted and on the client's own socket.
 * draft-ietf-quic-address-discovery
 *
 * A client connects with the protocol of this module and is told its address in an OBSERVED_ADDRESS frame, and again
 * whenever that changes. It opens no streams and sends nothing. iroh's clients are answered too.
 *
 * **Example** (A bootstrap node)
 *
 * ```ts
 * import { Console, Effect } from "effect"
 * import { AddressDiscovery, formatAddress, type Identity } from "effect-quic"
 *
 * const program = (identity: Identity.Identity) =>
 *   Effect.gen(function* () {
 *     const node = yield* AddressDiscovery.serve({ host: "0.0.0.0", identity })
 *     yield* Console.log(`ask ${formatAddress(node.localAddress)}`)
 *     return yield* Effect.never
 *   })
 * ```
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { checkRecord } from "./arguments.ts"
import type { CertificateVerifier } from "./capability/CertificateVerifier.ts"
import type { CryptoSuite } from "./capability/CryptoSuite.ts"
import type { Entropy } from "./capability/Entropy.ts"
import type { UdpPort } from "./capability/UdpPort.ts"
import type { EndpointOptions, ServerOptions } from "./EndpointOptions.ts"
import * as Settings from "./nat/TraversalSettings.ts"
import { QuicEndpoint, type QuicEndpointShape } from "./QuicEndpoint.ts"
import type { QuicError } from "./QuicError.ts"

/**
 * The application protocol of address discovery, as iroh's relays have it: `/iroh-qad/0`.
 *
 * @category constants
 * @since 0.1.0
 */
export const alpn: string = Settings.DISCOVERY_ALPN

/**
 * The UDP port of address discovery, as iroh's relays have it: 7842.
 *
 * @category constants
 * @since 0.1.0
 */
export const port: number = Settings.DISCOVERY_PORT

/**
 * Where address discovery is served, and by whom.
 *
 * @category options
 * @since 0.1.0
 */
export interface DiscoveryOptions extends Pick<EndpointOptions, "host" | "port" | "limits" | "resetSecret"> {
  /** What the node authenticates with: a certificate, or a raw key that clients know. */
  readonly identity: NonNullable<ServerOptions["identity"]>
  /** The application protocol, 1 to 255 bytes. Default `alpn`. */
  readonly alpn?: string
}

/**
 * Binds a socket, by default at port 7842, and answers clients until the scope closes.
 *
 * **Details**
 *
 * It is an endpoint of the role `"bootstrap"`: `statistics` and `tree` show what it does. Its clients may open no streams
 * and send no datagrams, and one that is silent for 30 seconds is forgotten; `limits` bounds how many there are and what
 * they cost.
 *
 * Fails with `InvalidOption` and `BindFailed`. **Interruption**: leaves no socket bound.
 *
 * @category constructors
 * @since 0.1.0
 */
export const serve = (
  options: DiscoveryOptions
): Effect.Effect<
  QuicEndpointShape,
  QuicError,
  UdpPort | CryptoSuite | Entropy | CertificateVerifier | Scope.Scope
> =>
  Effect.flatMap(checkRecord(options, "options"), () => {
    const { identity, alpn: protocol = alpn, ...rest } = options
    return QuicEndpoint.make({
      port,
      ...rest,
      traversal: { role: "bootstrap", discoveryAlpn: protocol },
      server: {
        alpn: [protocol],
        identity,
        ticketLifetime: 0,
        transport: { maxIdleTimeout: "30 seconds" }
      }
    })
  })
