/** How runners call each other: Effect RPC over the connection that the called runner's peer has. */
import * as Result from "effect/Result"
import * as Effect from "effect/Effect"
import type { Runners } from "effect/cluster"
import type { RunnerAddress } from "effect/cluster/RunnerAddress"
import type { Peer } from "../Peer.ts"
import type { QuicError } from "../QuicError.ts"
import { frameLimit } from "../rpc/limits.ts"
import { clientProtocolOver } from "../rpc/clientProtocol.ts"
import { serializationOf } from "../rpc/serialization.ts"
import type { RunnerPeers } from "./RunnerPeers.ts"
import type { RunnerSettings } from "./runnerOptions.ts"

/**
 * Signs of life, acknowledgements and interrupts are sent before what entities say to each other. A notification may be
 * either, or announce a message in storage.
 */
export const priorityOf = (tag: string): number => priorities.get(tag) ?? 0

const priorities = new Map([
  ["Ping", 2],
  ["Envelope", 2],
  ["Notify", 1]
])

/** A call fails if its runner has no connection in time, so that it can be sent to where its entity moves. */
export const makeRunnerProtocol = Effect.fnUntraced(function* (peers: RunnerPeers, settings: RunnerSettings) {
  const { codecFor } = yield* serializationOf(yield* frameLimit(settings.frames.maxFrameBytes))
  const make = (address: RunnerAddress) => {
    // without a peer, for instance as the endpoint is closed, each call says why
    const openWith = Result.match({
      onFailure: Effect.fail<QuicError>,
      onSuccess: (peer: Peer) =>
        Effect.flatMap(peers.connected(address, peer), (connection) => connection.openBidi)
    })
    return Effect.flatMap(Effect.result(peers.of(address)), (peer) => {
      const open = openWith(peer)
      return clientProtocolOver(() => open, { ...settings.frames, priorityOf })
    })
  }
  return { codecFor, make } satisfies Runners.RpcClientProtocol["Service"]
})
