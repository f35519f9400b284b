/** The guarantees of the public API, independent of the universe. */
import { describe } from "vitest"
import { datagramBehaviour } from "./datagramBehaviour.ts"
import { lifetimeBehaviour } from "./lifetimeBehaviour.ts"
import { streamBehaviour } from "./streamBehaviour.ts"
import { trustBehaviour } from "./trustBehaviour.ts"
import type { Universe } from "./World.ts"

export const suite = (universe: Universe): void => {
  describe(universe.name, () => {
    streamBehaviour(universe)
    lifetimeBehaviour(universe)
    datagramBehaviour(universe)
    trustBehaviour(universe)
  })
}
