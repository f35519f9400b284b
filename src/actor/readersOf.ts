import type { Connection } from "../connection/Connection.ts"
import type { Tally } from "./WaitList.ts"

interface ReadConnection {
  readonly core: Connection
  now(): number
  touch(): void
}

/** Tells the core of a client how many fibers wait for data; a server need not ask, as it cannot be forgotten by a NAT. */
export const readersOf = (actor: ReadConnection): Tally => {
  const { core } = actor
  if (core.config.role === "server") return uncounted
  return {
    add: (by) => {
      if (by <= 0) core.stopAwaiting(-by)
      else if (core.awaitData(actor.now())) actor.touch()
    }
  }
}

const uncounted: Tally = { add: () => {} }
