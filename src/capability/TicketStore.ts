/**
 * What a client remembers of servers between connections: session tickets, to resume without certificates and to send
 * in 0-RTT, and the newest address token of each, to be spared a Retry.
 *
 * Both hold secrets and link connections to each other. `Resumption.layerTicketStore` keeps them in memory; an endpoint
 * without a store makes one of its own.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { SessionTicket } from "../handshake/SessionTicket.ts"

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
