/** Which calls may be made in the first flight, which an attacker can repeat. RFC 9001 §9.2 */
import * as Context from "effect/Context"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"

/**
 * Annotation of an RPC that may run twice, such as one that only reads. Default false.
 *
 * **Details**
 *
 * A call of it may travel in the first flight (0-RTT), if the layers of both sides are given the group, the client is a
 * `Peer` or a connection made with `earlyData`, and the server has `earlyData`. An attacker can repeat what is in the first flight; a
 * server's `ReplayGuard` refuses repetitions that reach it, but not those that reach another server with the same
 * ticket keys. RFC 8446 §8
 *
 * All other calls wait for the end of the handshake, on both sides.
 *
 * **Example** (One that may run twice, and one that may not)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Rpc, RpcGroup } from "effect/rpc"
 * import { QuicRpc } from "effect-quic"
 *
 * const Accounts = RpcGroup.make(
 *   Rpc.make("Balance", { success: Schema.Number }).annotate(QuicRpc.ReplaySafe, true),
 *   Rpc.make("Withdraw", { payload: { amount: Schema.Number } })
 * )
 *
 * const options = { host: "bank.example", port: 4433, alpn: ["bank"], group: Accounts }
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export const ReplaySafe = Context.Reference<boolean>("effect-quic/QuicRpc/ReplaySafe", {
  defaultValue: () => false
})

/** Says whether a call of the RPC of that name may run twice. */
export const replaySafety = (group: RpcGroup.Any | undefined): ((tag: string) => boolean) => {
  const safe = new Set<string>()
  // every group has them, `Any` does not say so
  const known = group as RpcGroup.RpcGroup<Rpc.AnyWithProps> | undefined
  for (const [tag, { annotations }] of known?.requests ?? []) {
    if (Context.get(annotations, ReplaySafe)) safe.add(tag)
  }
  return (tag) => safe.has(tag)
}
