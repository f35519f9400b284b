/** Connection IDs that collide in a table whose key is known: what an attacker can prepare at home. */
import type { RandomBytes } from "../../src/capability/CryptoSuite.ts"
import { keyedHash } from "../../src/internal/keyedHash.ts"

const CANDIDATES = 1_200_000

/** Pairs of IDs of 8 bytes with the same 32-bit hash, one after the other, under a key. */
export const collidingIds = (
  keyLow: number,
  keyHigh: number,
  random: RandomBytes
): ReadonlyArray<Uint8Array> => {
  const seen = new Map<number, number>()
  const ids: Array<Uint8Array> = []
  const pool = random(8 * CANDIDATES)
  for (let start = 0; start < pool.length; start += 8) {
    const hash = keyedHash(keyLow, keyHigh, pool, start, start + 8)
    const other = seen.get(hash)
    if (other === undefined) seen.set(hash, start)
    else ids.push(pool.slice(other, other + 8), pool.slice(start, start + 8))
  }
  return ids
}
