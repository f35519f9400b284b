import type { SessionTicket } from "../capability/TicketStore.ts"
import type { TlsEvent } from "../handshake/TlsSession.ts"

/** Events for the connection's owner, in order. Stream readiness is not among them: see `StreamSet`'s dirty lists. */
export type ConnectionEvent =
  /** The peer has proven its identity; the handshake waits for `handleVerdict`. */
  | { readonly _tag: "verifyPeer"; readonly request: Extract<TlsEvent, { _tag: "verifyPeer" }> }
  /** 0-RTT data can be sent (client) or read (server). RFC 9001 §4.6 */
  | { readonly _tag: "early" }
  /** Streams can be opened and accepted; the peer is authenticated. */
  | { readonly _tag: "established" }
  /** The handshake is confirmed. RFC 9001 §4.1.2 */
  | { readonly _tag: "confirmed" }
  /** The current route changed, or the validation of one began, succeeded or failed. RFC 9000 §9 */
  | { readonly _tag: "moved" }
  /** The peer has said what it sees as our address. draft-ietf-quic-address-discovery */
  | { readonly _tag: "observed" }
  /** NAT traversal has news for its listener. */
  | { readonly _tag: "traversal" }
  /** client: the server has answered none of several consecutive probes; see `Connection.isUnanswered`. */
  | { readonly _tag: "unanswered" }
  /** The trace of migrations and key updates has another entry. */
  | { readonly _tag: "traced" }
  /** For a later connection to the same server. RFC 9000 §8.1.3 */
  | { readonly _tag: "newToken"; readonly token: Uint8Array }
  /** For resuming the session in a later connection. RFC 8446 §4.6.1 */
  | { readonly _tag: "ticket"; readonly ticket: SessionTicket }
  /** A line for SSLKEYLOGFILE. */
  | { readonly _tag: "keyLog"; readonly line: string }
  /** The connection is closing; `closeReason` says why. Nothing more will be read or written. */
  | { readonly _tag: "closed" }
  /** There is nothing left to send or wait for: the endpoint may drop the connection. */
  | { readonly _tag: "drained" }
