import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { endConnection } from "./endConnection.ts"
import type { EndpointActor } from "./EndpointActor.ts"

/** How long closing waits for the fibers below the endpoint. */
const CLOSING_MILLIS = 1000

/** Closes every connection, on success after delivering accepted data, and then the endpoint. */
export const closeEndpoint = (
  endpoint: EndpointActor,
  exit: Exit.Exit<unknown, unknown>
): Effect.Effect<void> =>
  Effect.suspend(() => {
    endpoint.stopAccepting()
    endpoint.drain.countFinished()
    for (const peer of endpoint.peers) peer.retire()
    const open = [...endpoint.connections.all].filter(({ failure }) => failure === undefined)
    return Effect.forEach(open, (connection) => endConnection(connection, exit), {
      concurrency: "unbounded",
      discard: true
    })
  }).pipe(
    Effect.ensuring(Effect.sync(() => endpoint.shutdown())),
    // an uninterruptible application fiber, in a verifier for instance, must not block closing
    Effect.ensuring(Effect.timeoutOption(Effect.interruptible(endpoint.branch.close), CLOSING_MILLIS))
  )
