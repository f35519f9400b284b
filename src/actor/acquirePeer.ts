/** Makes a peer that lives as long as a scope. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { EndpointClosed, invalidOption, type QuicError, quicError } from "../QuicError.ts"
import { acquire } from "./acquire.ts"
import type { EndpointActor } from "./EndpointActor.ts"
import { PeerActor, type PeerConnection, type PeerSettings } from "./PeerActor.ts"
import type { PeerState } from "./peerState.ts"
import { WaitList } from "./WaitList.ts"

/**
 * Fails when the endpoint has a peer of that name. After success what was accepted is delivered, otherwise the peer
 * ends at once.
 */
export const acquirePeer = <C extends PeerConnection, P>(
  endpoint: EndpointActor,
  settings: PeerSettings<C>,
  show: (peer: PeerActor<C>) => P
): Effect.Effect<P, QuicError, Scope.Scope> => {
  const { name } = settings
  const refusal = () => {
    if (endpoint.isClosed) return Effect.fail(quicError(new EndpointClosed()))
    return [...endpoint.peers].some((other) => other.name === name)
      ? invalidOption("name", `there is already a peer ${name}`)
      : undefined
  }
  return Effect.flatMap(SubscriptionRef.make<PeerState<C>>({ _tag: "Idle", reason: undefined }), (state) =>
    acquire(
      {
        has: () => refusal() === undefined,
        take: () => {
          const peer = new PeerActor(settings, endpoint, state)
          endpoint.peers.add(peer)
          return peer
        },
        refusal,
        changed: new WaitList()
      },
      (peer, exit) => (Exit.isSuccess(exit) ? peer.close(0, "") : peer.abandon),
      show
    )
  )
}
