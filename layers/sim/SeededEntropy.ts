/** Entropy that is the same again for the same seed. For the simulator and for known-answer tests, never for the wire. */
import * as Layer from "effect/Layer"
import { Entropy } from "../../src/capability/Entropy.ts"
import { SeededRandom } from "./SeededRandom.ts"

export const layer = (seed: string | number): Layer.Layer<Entropy> =>
  Layer.sync(Entropy, () => ({ randomBytes: new SeededRandom(seed).bytes }))
