/**
 * Unpredictable bytes: connection IDs, keys and tokens are drawn from them.
 *
 * `effect-quic/layers/node` takes them from the operating system, `effect-quic/layers/sim` from a seed.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { RandomBytes } from "./CryptoSuite.ts"

/**
 * A source of random bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface EntropyShape {
  /** `length` fresh bytes, owned by the caller. */
  readonly randomBytes: RandomBytes
}

/**
 * The service that provides random bytes.
 *
 * @category services
 * @since 0.1.0
 */
export class Entropy extends Context.Service<Entropy, EntropyShape>()("effect-quic/capability/Entropy") {}
