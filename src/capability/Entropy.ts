/**
 * Unpredictable bytes as one synchronous seam: the core draws connection IDs, keys and tokens from it.
 *
 * `layers/node` fills it from the operating system, `layers/sim` from a seed.
 */
import * as Context from "effect/Context"
import type { RandomBytes } from "./CryptoSuite.ts"

export interface EntropyShape {
  /** `length` fresh bytes, owned by the caller. */
  readonly randomBytes: RandomBytes
}

export class Entropy extends Context.Service<Entropy, EntropyShape>()("effect-quic/capability/Entropy") {}
