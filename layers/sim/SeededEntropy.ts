/** Reproducible entropy from a seed. For the simulator and known-answer tests, never for real connections. */
import * as Layer from "effect/Layer"
import { Entropy } from "../../src/capability/Entropy.ts"
import { SeededRandom } from "./SeededRandom.ts"

/**
 * Provides `Entropy` that repeats itself for the same seed.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (seed: string | number): Layer.Layer<Entropy> =>
  Layer.sync(Entropy, () => ({ randomBytes: new SeededRandom(seed).bytes }))
