/** Two nodes joined, one link each way. */
import type { LinkConditions, SimLink } from "./SimLink.ts"

export class SimConnection {
  /** What faults call it. */
  readonly name: string
  /** From the first node named to the second. */
  readonly forward: SimLink
  readonly backward: SimLink

  constructor(name: string, forward: SimLink, backward: SimLink) {
    this.name = name
    this.forward = forward
    this.backward = backward
  }

  /** Changes conditions both ways. */
  set(conditions: Partial<LinkConditions>): void {
    this.forward.set(conditions)
    this.backward.set(conditions)
  }
}
