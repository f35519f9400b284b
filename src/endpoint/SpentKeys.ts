/** Entries per generation; two are kept. */
const GENERATION = 16_384
/** Significant bytes of a key: unpredictable ones, six of which fit a number. */
const KEY_BYTES = 6

/**
 * Keys that may be used only once. Memory is bounded: when the younger of two generations is full, the older is
 * dropped, and everything that could have been used before the younger began is refused from then on.
 */
export class SpentKeys {
  private current = new Set<number>()
  private previous = new Set<number>()
  /** Keys that could have been used before this moment may have been dropped. */
  private forgottenUntilMillis: number
  private currentFromMillis: number

  constructor(nowMillis: number) {
    this.forgottenUntilMillis = nowMillis - 1
    this.currentFromMillis = nowMillis
  }

  /**
   * Whether `key` (unpredictable bytes, of which the last six are significant) must be treated as used: it was used, or
   * could have been at a time no longer remembered. `earliestUseMillis` is the earliest time of its first use.
   */
  isSpent(key: Uint8Array, earliestUseMillis: number): boolean {
    if (earliestUseMillis <= this.forgottenUntilMillis) return true
    const number = numberOf(key)
    return this.current.has(number) || this.previous.has(number)
  }

  spend(key: Uint8Array, nowMillis: number): void {
    if (this.current.size >= GENERATION) {
      this.previous = this.current
      this.forgottenUntilMillis = this.currentFromMillis
      this.current = new Set()
      this.currentFromMillis = nowMillis
    }
    this.current.add(numberOf(key))
  }
}

const numberOf = (key: Uint8Array): number => {
  let number = 0
  for (let i = Math.max(0, key.length - KEY_BYTES); i < key.length; i++) number = number * 256 + key[i]
  return number
}
