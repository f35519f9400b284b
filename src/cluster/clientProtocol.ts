/** How runners call each other: Effect RPC over the connection that the called runner's peer has. */
import * as Effect from "effect/Effect"
import type { Runners } from "effect/cluster"
import type { RunnerAddress } from "effect/cluster/RunnerAddress"
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
    const open = Effect.flatMap(peers.of(address), (peer) =>
      Effect.flatMap(peers.connected(address, peer), (connection) => connection.openBidi)
    )
    // keeps the peer between calls
    const keep = Effect.ignore(peers.of(address))
    return Effect.andThen(
      keep,
      clientProtocolOver(() => open, { ...settings.frames, priorityOf })
    )
  }
  return { codecFor, make } satisfies Runners.RpcClientProtocol["Service"]
})
