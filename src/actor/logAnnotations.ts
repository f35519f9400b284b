/** Annotations of what is logged: whom it is about. Addresses are written by us and contain nothing of a peer's choice. */
import { formatAddress } from "../wire/SocketAddress.ts"
import type { Connection } from "../connection/Connection.ts"

export type LogAnnotations = Readonly<Record<string, unknown>>

/** `connection` is the same in the logs of both ends: a fiber's number would mean something in one process only. */
export const aboutConnection = ({ core }: { readonly core: Connection }): LogAnnotations => ({
  peer: formatAddress(core.path.remote),
  connection: core.id
})
