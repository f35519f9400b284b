/**
 * What a client remembers of servers between connections: session tickets, to resume without certificates and to send
 * in 0-RTT, and the newest address token of each, to be spared a Retry.
 *
 * Both hold secrets and link connections to each other. `Resumption.layerTicketStore` keeps them in memory; an endpoint
 * without a store makes one of its own.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { PeerCertificate } from "./CertificateVerifier.ts"

/**
 * A resumable session. The client stores one per ticket; the server seals its own, without `identity`, into the ticket
 * itself. Contains a secret: anyone who reads it can impersonate either side.
 */
export interface SessionTicket {
  /** The ticket, opaque to the client. RFC 9001 §9.2 #2 */
  readonly identity: Uint8Array
  /** The pre-shared key. */
  readonly secret: Uint8Array
  readonly cipherSuite: number
  /** Client only: the key-exchange group, offered again as a HelloRetryRequest would cost a round trip and 0-RTT. */
  readonly group?: number
  readonly alpn: string
  readonly serverName: string | undefined
  /** Unix time when the server issued or the client received it. */
  readonly issuedAtMillis: number
  readonly lifetimeSeconds: number
  /** Obfuscates the ticket age sent by the client. RFC 8446 §4.2.11.1 */
  readonly ageAdd: number
  /** Whether it allows 0-RTT. RFC 9001 §4.6.1 */
  readonly earlyData: boolean
  /** The server's, as sent; all are remembered. RFC 9000 §7.4.1 #4 */
  readonly transportParameters: Uint8Array
  /** The authenticated peer; on a server, undefined if the client did not authenticate. */
  readonly peer: PeerCertificate | undefined
}

export interface RememberedServer {
  readonly ticket: SessionTicket | undefined
  readonly addressToken: Uint8Array | undefined
}

export interface TicketStoreShape {
  /**
   * Takes out a ticket, the newest, and the address token: each serves one connection, so that an observer cannot link
   * two by it (RFC 8446 §C.4, RFC 9000 §8.1.3 #5). `server` is an opaque name.
   */
  readonly take: (server: string) => Effect.Effect<RememberedServer>
  readonly putTicket: (server: string, ticket: SessionTicket) => Effect.Effect<void>
  /** In place of an earlier one. */
  readonly putAddressToken: (server: string, token: Uint8Array) => Effect.Effect<void>
}

/** A client's memory of servers. */
export class TicketStore extends Context.Service<TicketStore, TicketStoreShape>()(
  "effect-quic/capability/TicketStore"
) {}
