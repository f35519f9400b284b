/**
 * Sees to it that a server takes each client's 0-RTT data once at most. RFC 8446 §8
 *
 * Endpoints that share `TicketKeys` must share the guard as well: a first flight could otherwise be replayed to each of
 * them. `Resumption.layerReplayGuard` serves one process; an endpoint without any makes one of its own.
 */
import * as Context from "effect/Context"

export interface ReplayGuardShape {
  /**
   * True, once, for each ClientHello; `binder` is unique to it and has been checked. It cannot have been seen before
   * `earliestMillis`: a guard that does not remember so far back refuses. Times are Unix times.
   */
  readonly admit: (binder: Uint8Array, earliestMillis: number, nowMillis: number) => boolean
}

/** The memory that keeps 0-RTT from being replayed. */
export class ReplayGuard extends Context.Service<ReplayGuard, ReplayGuardShape>()(
  "effect-quic/capability/ReplayGuard"
) {}
