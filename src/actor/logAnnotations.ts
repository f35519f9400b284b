/** Annotations of what is logged: whom it is about. Addresses are written by us and contain nothing of a peer's choice. */
import { formatAddress } from "../wire/SocketAddress.ts"
import type { Connection } from "../connection/Connection.ts"
import type { Branch } from "./Branch.ts"

export type LogAnnotations = Readonly<Record<string, unknown>>

/** `connection` is the number of its fiber, which the tree and the metrics show. */
export const aboutConnection = (actor: {
  readonly core: Connection
  readonly branch: Branch
}): LogAnnotations => ({
  peer: formatAddress(actor.core.path.remote),
  connection: actor.branch.fiberId
})
