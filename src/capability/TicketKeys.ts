/**
 * The keys a server seals its session tickets with. Endpoints that share them resume each other's sessions.
 *
 * `Resumption.layerTicketKeys` makes them, at random or from a secret that several processes know; an endpoint without
 * any makes random ones of its own.
 */
import * as Context from "effect/Context"

export interface TicketKeysShape {
  readonly seal: (plaintext: Uint8Array, nowMillis: number) => Uint8Array
  /** Undefined for anything these keys did not seal, or sealed too long ago. Never throws. */
  readonly open: (sealed: Uint8Array, nowMillis: number) => Uint8Array | undefined
}

/** What session tickets are sealed with. */
export class TicketKeys extends Context.Service<TicketKeys, TicketKeysShape>()(
  "effect-quic/capability/TicketKeys"
) {}
