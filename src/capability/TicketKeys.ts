/**
 * The keys a server seals its session tickets with. Endpoints that share them resume each other's sessions.
 *
 * `Resumption.layerTicketKeys` makes them, at random or from a secret shared by several processes; an endpoint without
 * keys makes random ones.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * Seals and opens session tickets.
 *
 * @category models
 * @since 0.1.0
 */
export interface TicketKeysShape {
  /** Encrypts and authenticates a ticket. */
  readonly seal: (plaintext: Uint8Array, nowMillis: number) => Uint8Array
  /** Opens a sealed ticket; undefined if these keys did not seal it or sealed it too long ago. Never throws. */
  readonly open: (sealed: Uint8Array, nowMillis: number) => Uint8Array | undefined
}

/**
 * The service that seals session tickets.
 *
 * @category services
 * @since 0.1.0
 */
export class TicketKeys extends Context.Service<TicketKeys, TicketKeysShape>()(
  "effect-quic/capability/TicketKeys"
) {}
