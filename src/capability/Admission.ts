/**
 * Decides which addresses an endpoint deals with at all.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { SocketAddress } from "../wire/SocketAddress.ts"

/**
 * Whether anything is spent on datagrams of strangers from an address. Default undefined: from every address.
 *
 * **Details**
 *
 * An endpoint asks before it decrypts, hashes or keeps anything, and before a datagram counts against
 * `limits.strangerPacketsPerSecond`; a datagram that is not admitted gets silence. Datagrams to a known connection ID are
 * never asked about: a connection that exists continues, and may migrate to any address. The function runs for each
 * datagram of a flood, so it should be a lookup; it must not throw. Addresses may be forged until a handshake completes.
 *
 * **Example** (A block list)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { Admission } from "effect-quic"
 *
 * const blocked = new Set(["192.0.2.7"])
 *
 * const blockList = Layer.succeed(Admission, ({ host }) => !blocked.has(host))
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const Admission: Context.Reference<((from: SocketAddress) => boolean) | undefined> = Context.Reference(
  "effect-quic/capability/Admission",
  { defaultValue: (): ((from: SocketAddress) => boolean) | undefined => undefined }
)
