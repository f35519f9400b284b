/**
 * Makes sure a server accepts each client's 0-RTT data at most once. RFC 8446 §8
 *
 * Endpoints that share `TicketKeys` must share the guard too: otherwise a first flight could be replayed to each of
 * them. `Resumption.layerReplayGuard` serves one process; an endpoint without a guard makes its own.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * Remembers the first flights that were accepted.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReplayGuardShape {
  /**
   * True the first time a ClientHello is seen, false after that.
   *
   * `binder` identifies the ClientHello and has been verified. It cannot have been seen before `earliestMillis`: a
   * guard whose memory does not reach back that far returns false. Times are Unix milliseconds.
   */
  readonly admit: (binder: Uint8Array, earliestMillis: number, nowMillis: number) => boolean
}

/**
 * The service that guards 0-RTT data against replay.
 *
 * @category services
 * @since 0.1.0
 */
export class ReplayGuard extends Context.Service<ReplayGuard, ReplayGuardShape>()(
  "effect-quic/capability/ReplayGuard"
) {}
