/**
 * Who is on the other side, as the transport knows it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Inspectable from "effect/Inspectable"
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
  /** Address of the peer, when it is read. */
  readonly address: SocketAddress
  /** Paths of the connection, when it is read. */
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

/** Looks when it is read: a server gives one to the handler of every call, of which few want to know. */
class LivePeerInfo extends Inspectable.Class implements PeerInfo {
  readonly #actor: ConnectionActor

  constructor(actor: ConnectionActor) {
    super()
    this.#actor = actor
  }

  get certificate(): ConnectionFacts["peer"] {
    return connectionFacts(this.#actor.core).peer
  }

  get address(): SocketAddress {
    return this.#actor.core.path.remote
  }

  get paths(): ReadonlyArray<PathInfo> {
    return pathInfos(this.#actor)
  }

  toJSON(): unknown {
    const { certificate, address, paths } = this
    return { certificate, address, paths }
  }
}

export const peerInfo = (actor: ConnectionActor): PeerInfo => new LivePeerInfo(actor)
