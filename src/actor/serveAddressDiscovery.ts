/** Keeps the connections of clients that ask for their addresses; the transport answers them. */
import * as Effect from "effect/Effect"
import type { ConnectionActor } from "./ConnectionActor.ts"
import type { EndpointActor } from "./EndpointActor.ts"
import { serveConnections } from "./serveConnections.ts"

/** Accepts every connection of the endpoint until it closes. */
export const serveAddressDiscovery = (endpoint: EndpointActor): void => {
  const serving = Effect.ignore(serveConnections(endpoint.accepting, untilOver))
  endpoint.branch.fork(serving, (cause) => endpoint.report("address discovery is not served any more", cause))
}

const untilOver = ({ isOver, signals }: ConnectionActor): Effect.Effect<void> =>
  isOver ? Effect.void : signals.closed.park
