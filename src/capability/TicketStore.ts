/**
 * What a client remembers of servers between connections: session tickets, which spare certificates and allow 0-RTT,
 * and the latest address token, which spares a Retry.
 *
 * Both hold secrets and could link connections to each other. `Resumption.layerTicketStore` keeps them in memory; an
 * endpoint without a store makes its own.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { PeerCertificate } from "./CertificateVerifier.ts"

/**
 * A session that can be resumed.
 *
 * **Details**
 *
 * A client keeps one for each ticket the server sends; a server seals its own, without `identity`, into the ticket
 * itself. It holds a secret: anyone who reads it can impersonate either side. RFC 8446 §4.6.1
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionTicket {
  /** The server's name for the session, opaque to the client. RFC 9001 §9.2 #2 */
  readonly identity: Uint8Array
  /** The pre-shared key. */
  readonly secret: Uint8Array
  /** TLS cipher suite of the session. */
  readonly cipherSuite: number
  /** Client only: the group of the key agreement. Another one could cost a HelloRetryRequest and 0-RTT. */
  readonly group?: number
  /** Application protocol of the session. */
  readonly alpn: string
  /** Server name of the session; undefined if none was sent. */
  readonly serverName: string | undefined
  /** Unix time in milliseconds: on the server when issued, on the client when received. */
  readonly issuedAtMillis: number
  /** How long it can be used, at most 604,800. */
  readonly lifetimeSeconds: number
  /** Obfuscates the age the client reports. RFC 8446 §4.2.11.1 */
  readonly ageAdd: number
  /** Whether 0-RTT may be tried with it. RFC 9001 §4.6.1 */
  readonly earlyData: boolean
  /** The server's transport parameters as it sent them; all are remembered. RFC 9000 §7.4.1 #4 */
  readonly transportParameters: Uint8Array
  /** The authenticated peer: the server, or on a server the client if it showed a certificate. */
  readonly peer: PeerCertificate | undefined
}

/**
 * What a store holds about one server.
 *
 * @category models
 * @since 0.1.0
 */
export interface RememberedServer {
  /** The newest session ticket. */
  readonly ticket: SessionTicket | undefined
  /** The latest token from NEW_TOKEN. RFC 9000 §8.1.3 */
  readonly addressToken: Uint8Array | undefined
}

/**
 * A client's memory of servers. `server` is an opaque key.
 *
 * @category models
 * @since 0.1.0
 */
export interface TicketStoreShape {
  /**
   * Removes and returns the newest ticket and the address token.
   *
   * Each is used for one connection, so that an observer cannot link two connections by it (RFC 8446 §C.4, RFC 9000
   * §8.1.3 #5).
   */
  readonly take: (server: string) => Effect.Effect<RememberedServer>
  /** Adds a session ticket. */
  readonly putTicket: (server: string, ticket: SessionTicket) => Effect.Effect<void>
  /** Replaces the address token. */
  readonly putAddressToken: (server: string, token: Uint8Array) => Effect.Effect<void>
}

/**
 * The service that remembers servers.
 *
 * @category services
 * @since 0.1.0
 */
export class TicketStore extends Context.Service<TicketStore, TicketStoreShape>()(
  "effect-quic/capability/TicketStore"
) {}
