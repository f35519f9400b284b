/** What a relay has done since it started. */
export class RelayCounters {
  /** Connections that were let begin the handshake. */
  accepted = 0
  /** Connections turned away, by a limit or because the relay is draining. */
  refused = 0
  /** Connections that have proved their key. */
  authenticated = 0
  /** Connections that have not: a wrong signature, a key that is not allowed, no place. */
  denied = 0
  /** Connections that did not prove a key in time, or gave their place to others. */
  expired = 0
  /** Connections that took over from another with the same key. */
  replaced = 0
  /** Connections closed as nothing came from them any more. */
  silent = 0
  /** Connections closed for what is no frame, or not a client's. */
  malformed = 0
  /** Frames of datagrams passed on, and their bytes. */
  forwarded = 0
  /** Their bytes. */
  forwardedBytes = 0
  /** Frames for keys that are not connected. */
  droppedUnknown = 0
  /** Frames for clients that read too slowly. */
  droppedFull = 0
  /** Frames of clients that sent more than they may. */
  droppedRate = 0
  /** How often a client has been slowed down. */
  rateLimited = 0
}
