/** Entropy from the operating system. */
import { randomFillSync } from "node:crypto"
import * as Layer from "effect/Layer"
import { Entropy, type EntropyShape } from "../../src/capability/Entropy.ts"

/** Most requests are for a connection ID or token; taking them from a block saves hundreds of system calls. */
const blockBytes = 4096
const maxFromBlock = 256

const make = (): EntropyShape => {
  const block = new Uint8Array(blockBytes)
  let used = blockBytes
  const randomBytes = (length: number): Uint8Array => {
    if (length > maxFromBlock) return randomFillSync(new Uint8Array(length))
    if (used + length > blockBytes) {
      randomFillSync(block)
      used = 0
    }
    const bytes = block.slice(used, used + length)
    // Erase bytes once returned, so that they cannot be read here again.
    block.fill(0, used, used + length)
    used += length
    return bytes
  }
  return { randomBytes }
}

/**
 * The operating system's entropy, for code outside Effect.
 *
 * @category implementations
 * @since 0.1.0
 */
export const nodeEntropy: EntropyShape = make()

/**
 * Provides `Entropy` from the operating system.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Entropy> = Layer.succeed(Entropy, nodeEntropy)
