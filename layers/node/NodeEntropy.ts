/** Entropy from the operating system. */
import { randomFillSync } from "node:crypto"
import * as Layer from "effect/Layer"
import { Entropy, type EntropyShape } from "../../src/capability/Entropy.ts"

/** Most requests are a connection ID or a token: they are cut from a block, which costs one system call in hundreds. */
const blockBytes = 4096
const largestCut = 256

const make = (): EntropyShape => {
  const block = new Uint8Array(blockBytes)
  let used = blockBytes
  const randomBytes = (length: number): Uint8Array => {
    if (length > largestCut) return randomFillSync(new Uint8Array(length))
    if (used + length > blockBytes) {
      randomFillSync(block)
      used = 0
    }
    const bytes = block.slice(used, used + length)
    // What has been handed out must not be readable here a second time.
    block.fill(0, used, used + length)
    used += length
    return bytes
  }
  return { randomBytes }
}

export const nodeEntropy: EntropyShape = make()

export const layer: Layer.Layer<Entropy> = Layer.succeed(Entropy, nodeEntropy)
