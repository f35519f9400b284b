/**
 * Compares the ffi suite with the node suite on random packets: sealed, opened, forged, masked. As a program, on a million
 * of them: `node test/ffi/randomVectors.ts [PACKETS] [SEED]`.
 */
import * as Result from "effect/Result"
import * as FfiCryptoSuite from "../../layers/ffi/FfiCryptoSuite.ts"
import { Native } from "../../layers/ffi/native.ts"
import { suite as node } from "../../layers/node/NodeCryptoSuite.ts"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import type { AeadAlgorithm, AeadKey, HeaderKey } from "../../src/capability/CryptoSuite.ts"

interface Pair<Key> {
  readonly ours: Key
  readonly theirs: Key
}

const keyBytes = { "aes-128-gcm": 16, "aes-256-gcm": 32, "chacha20-poly1305": 32 } as const
const algorithms = Object.keys(keyBytes) as Array<AeadAlgorithm>

/** Packets with the same keys, as many as a key of ours would outlive. */
const PER_KEY = 50

/** What differs; an empty list if nothing does. */
export const compareRandomly = (packets: number, seed: number): ReadonlyArray<string> => {
  const { suite: ffi } = FfiCryptoSuite.get()
  const random = new SeededRandom(`vectors ${seed}`)
  const below = (bound: number): number => {
    const [a, b, c, d] = random.bytes(4)
    return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) % bound
  }
  const memories = [Result.getOrThrow(Native.open()).pin(4_096).bytes, new Uint8Array(4_096)]
  const differences: Array<string> = []
  for (let done = 0; done < packets; done += PER_KEY) {
    const algorithm = algorithms[below(3)]
    const key = random.bytes(keyBytes[algorithm])
    const aead: Pair<AeadKey> = { ours: ffi.aead(algorithm, key), theirs: node.aead(algorithm, key) }
    const header: Pair<HeaderKey> = {
      ours: ffi.headerProtection(algorithm, key),
      theirs: node.headerProtection(algorithm, key)
    }
    for (let i = 0; i < Math.min(PER_KEY, packets - done); i++) {
      const problem = problemOf(aead, header, memories[below(2)], random.bytes, below)
      if (problem !== undefined) differences.push(`${algorithm}, packet ${done + i}: ${problem}`)
    }
    aead.ours.release?.()
    header.ours.release?.()
  }
  return differences
}

/** One packet at a random place in `memory`, between bytes that must not change. */
const problemOf = (
  aead: Pair<AeadKey>,
  header: Pair<HeaderKey>,
  memory: Uint8Array,
  bytes: (length: number) => Uint8Array,
  below: (bound: number) => number
): string | undefined => {
  const start = below(500)
  const payloadStart = start + below(below(4) === 0 ? 600 : 40)
  const payloadEnd = payloadStart + below(below(2) === 0 ? 1_500 : 60)
  const sealedEnd = payloadEnd + 16
  memory.set(bytes(sealedEnd + 8))
  const plain = memory.slice()
  const expected = memory.slice()
  const nonce = bytes(12)
  aead.ours.seal(nonce, memory, start, payloadStart, payloadEnd)
  aead.theirs.seal(nonce, expected, start, payloadStart, payloadEnd)
  if (!isEqual(memory, expected)) return "sealed otherwise"
  const masks = [new Uint8Array(5), new Uint8Array(5)]
  header.ours.mask(memory, start, masks[0])
  header.theirs.mask(memory, start, masks[1])
  if (!isEqual(masks[0], masks[1])) return "masked otherwise"
  const forged = start + below(sealedEnd - start)
  memory[forged] ^= 1 << below(8)
  const before = memory.slice()
  if (aead.ours.open(nonce, memory, start, payloadStart, sealedEnd)) return "opened although forged"
  if (!isEqual(memory, before)) return "changed although forged"
  memory.set(expected)
  if (!aead.ours.open(nonce, memory, start, payloadStart, sealedEnd)) return "not opened"
  expected.set(plain.subarray(0, payloadEnd))
  return isEqual(memory, expected) ? undefined : "opened otherwise"
}

const isEqual = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

if (import.meta.main) {
  const [packets = 1_000_000, seed = Date.now()] = process.argv.slice(2).map(Number)
  const differences = compareRandomly(packets, seed)
  for (const difference of differences.slice(0, 20)) console.log(difference)
  console.log(`${packets} packets (seed ${seed}): ${differences.length} differ`)
  process.exitCode = differences.length === 0 ? 0 : 1
}
