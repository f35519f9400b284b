/** Entries of a generation; two are kept. */
const GENERATION = 16_384
/** Bytes of a key that make it one: unpredictable ones, six of which a number holds. */
const KEY_BYTES = 6

/**
 * What may be used once, and has been. Memory is bounded: of two generations the older is forgotten when the younger
 * is full, and with it everything that may have been used before the younger began is refused from then on.
 */
export class SpentKeys {
  private current = new Set<number>()
  private previous = new Set<number>()
  /** What could have been used up to this moment may have been forgotten. */
  private forgottenUntilMillis: number
  private currentFromMillis: number

  constructor(nowMillis: number) {
    this.forgottenUntilMillis = nowMillis - 1
    this.currentFromMillis = nowMillis
  }

  /**
   * Whether `key`, unpredictable bytes of which the last six count, is as good as used: it has been, or could have
   * been at a time that is not remembered any more. `earliestUseMillis` is when it can have been used first.
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
