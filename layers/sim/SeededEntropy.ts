/** Reproducible entropy from a seed. For the simulator and known-answer tests, never for real connections. */
import * as Layer from "effect/Layer"
import { Entropy } from "../../src/capability/Entropy.ts"
import { SeededRandom } from "./SeededRandom.ts"

export const layer = (seed: string | number): Layer.Layer<Entropy> =>
  Layer.sync(Entropy, () => ({ randomBytes: new SeededRandom(seed).bytes }))
