import type { Connection } from "../connection/Connection.ts"
import type { Tally } from "./WaitList.ts"

interface ReadConnection {
  readonly core: Connection
  now(): number
  touch(): void
}

/** Tells the core of a client how many fibers wait for data; a server need not ask, as it cannot be forgotten by a NAT. */
export const readersOf = (actor: ReadConnection): Tally =>
  actor.core.config.role === "server" ? uncounted : new Readers(actor)

class Readers implements Tally {
  private readonly actor: ReadConnection

  constructor(actor: ReadConnection) {
    this.actor = actor
  }

  add(by: number): void {
    const { actor } = this
    if (by <= 0) actor.core.stopAwaiting(-by)
    else if (actor.core.awaitData(actor.now())) actor.touch()
  }
}

const uncounted: Tally = { add: () => {} }
