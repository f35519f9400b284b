/** Begins to look for direct paths of a connection, if its endpoint does. */
import { isRelayPrefix } from "../relay/RelayAddresses.ts"
import { parseIp } from "../wire/ipAddress.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"
import { attachTraversal } from "./attachTraversal.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"
import { type TraversalPlace, traverse } from "./TraversalActor.ts"

/** Once its handshake is complete. Does nothing if the peer does not take part. */
export const beginTraversal = (
  actor: ConnectionActor,
  traversal: Omit<TraversalPlace, "isRelayed"> | undefined
): void => {
  const record = actor.traversal
  if (traversal === undefined || record === undefined || record.session !== undefined) return
  if (traversal.settings.role === "bootstrap") return
  traverse(
    actor,
    { ...traversal, isRelayed },
    (listener, budget) => attachTraversal(actor, listener, budget),
    record
  )
}

/** Also what a peer has made up to look like it. */
const isRelayed = ({ host, relayed }: SocketAddress): boolean =>
  relayed !== undefined || isRelayPrefix(parseIp(host)?.bytes ?? new Uint8Array())
