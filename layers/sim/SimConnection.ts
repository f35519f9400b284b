/** A connection between two nodes: one link in each direction. */
import type { LinkConditions, SimLink } from "./SimLink.ts"

/**
 * Two links that connect two nodes, one in each direction. Made by `network.connect`.
 *
 * @category models
 * @since 0.1.0
 */
export class SimConnection {
  /** Its name in fault schedules. */
  readonly name: string
  /** From the first node to the second. */
  readonly forward: SimLink
  /** From the second node to the first. */
  readonly backward: SimLink

  /** @internal */
  constructor(name: string, forward: SimLink, backward: SimLink) {
    this.name = name
    this.forward = forward
    this.backward = backward
  }

  /** Changes the conditions of both directions. */
  set(conditions: Partial<LinkConditions>): void {
    this.forward.set(conditions)
    this.backward.set(conditions)
  }
}
