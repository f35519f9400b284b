import type { SessionTicket } from "../capability/TicketStore.ts"
import type { TlsEvent } from "../handshake/TlsSession.ts"

/** What a connection tells its owner, in order. Stream readiness is not here: see `StreamSet`'s dirty lists. */
export type ConnectionEvent =
  /** The peer proved who it is; answer with `handleVerdict`. The handshake waits. */
  | { readonly _tag: "verifyPeer"; readonly request: Extract<TlsEvent, { _tag: "verifyPeer" }> }
  /** Before the handshake is complete, 0-RTT data can be sent (client) or read (server). RFC 9001 §4.6 */
  | { readonly _tag: "early" }
  /** Streams can be opened and accepted; the peer is authenticated. */
  | { readonly _tag: "established" }
  /** The handshake is confirmed. RFC 9001 §4.1.2 */
  | { readonly _tag: "confirmed" }
  /** The connection uses another route now, or tries one, has proven one, or has given up one it wanted. RFC 9000 §9 */
  | { readonly _tag: "moved" }
  /** For a later connection to the same server. RFC 9000 §8.1.3 */
  | { readonly _tag: "newToken"; readonly token: Uint8Array }
  /** For resuming the session in a later connection. RFC 8446 §4.6.1 */
  | { readonly _tag: "ticket"; readonly ticket: SessionTicket }
  /** A line for SSLKEYLOGFILE. */
  | { readonly _tag: "keyLog"; readonly line: string }
  /** The connection has begun to end; `closeReason` says why. Nothing more will be read or written. */
  | { readonly _tag: "closed" }
  /** Nothing is left to send or to wait for: the endpoint may forget the connection. */
  | { readonly _tag: "drained" }
