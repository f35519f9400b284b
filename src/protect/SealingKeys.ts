import type { AeadKey, CryptoSuiteShape, RandomBytes } from "../capability/CryptoSuite.ts"
import { AEAD_TAG_BYTES } from "./CipherSuite.ts"

const PERIOD = 4
const NONCE = 12
const HEADER = PERIOD + NONCE

/** How often keys change, and how long they can be used for opening. */
export interface KeyRotation {
  /** How long a key is used for sealing. */
  readonly periodMillis: number
  /** For how many further periods it can open. */
  readonly keptPeriods: number
}

/**
 * Encrypts data that clients return to a server: address tokens and session tickets.
 *
 * The key changes every period and is dropped after `keptPeriods` more. Random keys are known only to this object; keys
 * derived from a secret are the same for all who share the secret, without further exchange.
 */
export class SealingKeys {
  private readonly suite: CryptoSuiteShape
  private readonly random: RandomBytes
  private readonly rotation: KeyRotation
  private readonly secret: Uint8Array | undefined
  private readonly keys = new Map<number, AeadKey>()

  /** `secret`: at least 32 unpredictable bytes, shared between servers; without it the keys are random. */
  constructor(suite: CryptoSuiteShape, random: RandomBytes, rotation: KeyRotation, secret?: Uint8Array) {
    this.suite = suite
    this.random = random
    this.rotation = rotation
    this.secret = secret
  }

  /** Returns sealed bytes, 32 longer than `plaintext`. `nowMillis` is Unix time for shared keys, else of any one clock. */
  seal(plaintext: Uint8Array, nowMillis: number): Uint8Array {
    const period = this.periodAt(nowMillis)
    const sealed = new Uint8Array(HEADER + plaintext.length + AEAD_TAG_BYTES)
    new DataView(sealed.buffer).setUint32(0, period)
    const nonce = this.random(NONCE)
    sealed.set(nonce, PERIOD)
    sealed.set(plaintext, HEADER)
    this.keyOf(period, period).seal(nonce, sealed, 0, HEADER, HEADER + plaintext.length)
    return sealed
  }

  /** The plaintext; undefined if not sealed by these keys, or if the key was dropped. */
  open(sealed: Uint8Array, nowMillis: number): Uint8Array | undefined {
    if (sealed.length < HEADER + AEAD_TAG_BYTES) return undefined
    const period = new DataView(sealed.buffer, sealed.byteOffset).getUint32(0)
    const now = this.periodAt(nowMillis)
    // the clock of another server with the secret may be a period ahead
    const newest = this.secret === undefined ? now : now + 1
    if (period > newest || period < now - this.rotation.keptPeriods) return undefined
    const bytes = sealed.slice()
    const key = this.keyOf(period, now)
    if (!key.open(bytes.slice(PERIOD, HEADER), bytes, 0, HEADER, bytes.length)) return undefined
    return bytes.subarray(HEADER, bytes.length - AEAD_TAG_BYTES)
  }

  private periodAt(nowMillis: number): number {
    return Math.floor(nowMillis / this.rotation.periodMillis) >>> 0
  }

  private keyOf(period: number, now: number): AeadKey {
    let key = this.keys.get(period)
    if (key === undefined) {
      this.dropBefore(now - this.rotation.keptPeriods)
      key = this.suite.aead("aes-256-gcm", this.secret === undefined ? this.random(32) : this.derive(period))
      this.keys.set(period, key)
    }
    return key
  }

  private dropBefore(period: number): void {
    for (const [old, key] of this.keys)
      if (old < period) {
        this.keys.delete(old)
        key.release?.()
      }
  }

  private derive(period: number): Uint8Array {
    const label = new TextEncoder().encode(`effect-quic sealing key ${period}`)
    return this.suite.hmac("sha256", this.secret!, label)
  }
}
