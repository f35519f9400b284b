/**
 * Who is on the other side, as the transport knows it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import { type ConnectionFacts, connectionFacts } from "./ConnectionInfo.ts"
import { type PathInfo, pathInfos } from "./ConnectionPaths.ts"
import type { ConnectionActor } from "./actor/ConnectionActor.ts"
import type { SocketAddress } from "./wire/SocketAddress.ts"

/**
 * Who is on the other side, as the transport knows it: nothing in it is claimed by a message.
 *
 * @category models
 * @since 0.1.0
 */
export interface PeerInfo {
  /** Certificate or raw key the peer has proved to own; undefined if it was asked for none. */
  readonly certificate: ConnectionFacts["peer"]
  /** Address of the peer when it was asked for. */
  readonly address: SocketAddress
  /** Paths of the connection when it was asked for. */
  readonly paths: ReadonlyArray<PathInfo>
}

/**
 * Who makes the call that a handler serves; undefined outside calls over QUIC.
 *
 * @category services
 * @since 0.1.0
 */
export const QuicPeer = Context.Reference<PeerInfo | undefined>("effect-quic/QuicPeer", {
  defaultValue: () => undefined
})

export const peerInfo = (actor: ConnectionActor): PeerInfo => ({
  certificate: connectionFacts(actor.core).peer,
  address: actor.core.path.remote,
  paths: pathInfos(actor)
})
