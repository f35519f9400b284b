import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { endConnection } from "./endConnection.ts"
import type { EndpointActor } from "./EndpointActor.ts"

/** How long the fibers below a closed endpoint may take to end. */
const CLOSING_MILLIS = 1000

/** Closes every connection, after success once what was accepted is delivered, and the endpoint with them. */
export const closeEndpoint = (
  endpoint: EndpointActor,
  exit: Exit.Exit<unknown, unknown>
): Effect.Effect<void> =>
  Effect.suspend(() => {
    endpoint.stopAccepting()
    for (const peer of endpoint.peers) peer.retire()
    const open = [...endpoint.connections.all].filter(({ failure }) => failure === undefined)
    return Effect.forEach(open, (connection) => endConnection(connection, exit), {
      concurrency: "unbounded",
      discard: true
    })
  }).pipe(
    Effect.ensuring(Effect.sync(() => endpoint.shutdown())),
    // a fiber of the application's that cannot be interrupted, in a verifier for instance, is not waited for long
    Effect.ensuring(Effect.timeoutOption(Effect.interruptible(endpoint.branch.close), CLOSING_MILLIS))
  )
