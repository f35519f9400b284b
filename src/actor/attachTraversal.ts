/** Lets a NAT traversal drive a connection. */
import type { ProbeAllowance } from "../connection/OffPathRoutes.ts"
import type { TraversalListener, TraversalPort } from "../nat/TraversalPort.ts"
import type { ConnectionActor } from "./ConnectionActor.ts"

/**
 * Has `listener` told of all that the connection hears, from the loop, between bursts; first of what the peer has named so
 * far. Its probes are charged to `allowance`. A later listener takes the place of this one.
 *
 * May be called as soon as the connection is established. What the port is asked is sent with the next turn of the loop.
 */
export const attachTraversal = (
  actor: ConnectionActor,
  listener: TraversalListener,
  allowance: ProbeAllowance
): TraversalPort => {
  const { traversal } = actor.core
  traversal.attach(listener, allowance)
  actor.touch()
  const touching =
    <Fields extends ReadonlyArray<unknown>, A>(run: (...fields: Fields) => A) =>
    (...fields: Fields): A => {
      const result = run(...fields)
      actor.touch()
      return result
    }
  return {
    role: traversal.role,
    get maxCandidates() {
      return traversal.maxCandidates
    },
    advertise: touching((address) => traversal.advertise(address)),
    withdraw: touching((seq) => traversal.withdraw(seq)),
    reachOut: touching((round, addresses) => traversal.reachOut(round, addresses)),
    probe: touching((remote, socket, nowMicros) => traversal.probe(remote, socket, nowMicros)),
    cancelProbes: () => traversal.cancelProbes()
  }
}
