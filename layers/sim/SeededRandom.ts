/** The only source of randomness in a simulation: the generator sfc32, seeded with a string or number. */
import type { Random } from "effect/Random"

/**
 * A reproducible generator of random numbers (sfc32), also usable as Effect's `Random`. Not for cryptography.
 *
 * @category models
 * @since 0.1.0
 */
export class SeededRandom implements Random {
  private readonly seed: string
  private a: number
  private b: number
  private c: number
  private counter = 1

  constructor(seed: string | number) {
    this.seed = String(seed)
    this.a = hash(this.seed, 0x9e3779b9)
    this.b = hash(this.seed, 0x243f6a88)
    this.c = hash(this.seed, 0xb7e15162)
    // A dozen rounds diffuse seeds that differ in one bit.
    for (let i = 0; i < 15; i++) this.nextUint32()
  }

  /** An independent generator for `label`, so that draws in one part do not affect another. */
  fork(label: string): SeededRandom {
    return new SeededRandom(`${this.seed}/${label}`)
  }

  /** An integer in [0, 2^32). */
  nextUint32(): number {
    const sum = (this.a + this.b + this.counter) | 0
    this.counter = (this.counter + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = (this.c << 21) | (this.c >>> 11)
    this.c = (this.c + sum) | 0
    return sum >>> 0
  }

  /** In [0, 1), with 53 random bits. */
  nextDoubleUnsafe(): number {
    return ((this.nextUint32() >>> 5) * 67_108_864 + (this.nextUint32() >>> 6)) / 9_007_199_254_740_992
  }

  /** Any safe integer. */
  nextIntUnsafe(): number {
    const magnitude = (this.nextUint32() & 0x1fffff) * 4_294_967_296 + this.nextUint32()
    return (this.nextUint32() & 1) === 0 ? magnitude : -magnitude
  }

  /** In [0, bound). */
  below(bound: number): number {
    return Math.floor(this.nextDoubleUnsafe() * bound)
  }

  /** True with this probability; always draws, so that changing a rate does not shift later draws. */
  chance(probability: number): boolean {
    return this.nextDoubleUnsafe() < probability
  }

  /** `length` random bytes. */
  readonly bytes = (length: number): Uint8Array => {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i += 4) {
      const word = this.nextUint32()
      for (let j = 0; j < 4 && i + j < length; j++) bytes[i + j] = word >>> (8 * j)
    }
    return bytes
  }
}

/** FNV-1a with a final avalanche; seeds are trusted, so it need not resist collisions. */
const hash = (text: string, basis: number): number => {
  let h = basis | 0
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) | 0
}
