import { keepBytes } from "../internal/keepBytes.ts"
import type { AeadKey, CryptoSuiteShape, HeaderKey } from "../capability/CryptoSuite.ts"
import { Version } from "../wire/PacketType.ts"
import { AEAD_TAG_BYTES, type CipherSuite } from "./CipherSuite.ts"
import { hkdfExpandLabel } from "./hkdf.ts"

const NONCE = 12
const SAMPLE = 16
const none = new Uint8Array(0)
/** Scratch shared by all keys; filled and used in one call. */
const nonce = new Uint8Array(NONCE)
const nonceWords = new DataView(nonce.buffer)
const mask = new Uint8Array(5)

const labelsOf = (prefix: string) => ({
  key: `${prefix} key`,
  iv: `${prefix} iv`,
  hp: `${prefix} hp`,
  update: `${prefix} ku`
})

/** Labels by version. RFC 9001 §5.1, RFC 9369 §3.3.2 */
const labelsV1 = labelsOf("quic")
const labelsV2 = labelsOf("quicv2")
const labelsFor = (version: Version): typeof labelsV1 => (version === Version.v2 ? labelsV2 : labelsV1)

/**
 * Packet protection in one direction at one encryption level. RFC 9001 §5
 *
 * Works in place: `seal` protects a written packet, `unmask` and then `open` reverse it.
 */
export class PacketKeys {
  /** Empty once `next` has used it. */
  secret: Uint8Array
  readonly cipher: CipherSuite
  /** Packets sealed with this key, on all paths; RFC 9001 §6.6 #1 limits them. */
  sealed = 0
  private readonly aead: AeadKey
  private readonly header: HeaderKey
  /** The 12 bytes of the IV, big-endian. */
  private readonly ivHigh: number
  private readonly ivMiddle: number
  private readonly ivLow: number
  private readonly suite: CryptoSuiteShape
  private readonly version: Version

  private constructor(
    suite: CryptoSuiteShape,
    cipher: CipherSuite,
    secret: Uint8Array,
    version: Version,
    header: HeaderKey | undefined
  ) {
    const derive = (label: string, length: number): Uint8Array =>
      hkdfExpandLabel(suite, cipher.hash, secret, label, none, length)
    const labels = labelsFor(version)
    this.suite = suite
    this.cipher = cipher
    this.secret = keepBytes(secret)
    this.version = version
    this.aead = suite.aead(cipher.aead, derive(labels.key, cipher.keyLength))
    const iv = derive(labels.iv, NONCE)
    const words = new DataView(iv.buffer, iv.byteOffset)
    this.ivHigh = words.getInt32(0)
    this.ivMiddle = words.getInt32(4)
    this.ivLow = words.getInt32(8)
    this.header = header ?? suite.headerProtection(cipher.aead, derive(labels.hp, cipher.keyLength))
  }

  static fromSecret(
    suite: CryptoSuiteShape,
    cipher: CipherSuite,
    secret: Uint8Array,
    version: Version
  ): PacketKeys {
    return new PacketKeys(suite, cipher, secret, version, undefined)
  }

  /** The keys after a key update, once; the header protection key does not change. RFC 9001 §6.1 */
  next(): PacketKeys {
    const { suite, cipher, version } = this
    const { update } = labelsFor(version)
    const secret = hkdfExpandLabel(suite, cipher.hash, this.secret, update, none, cipher.hashLength)
    this.secret = none // it has done its work
    return new PacketKeys(suite, cipher, secret, version, this.header)
  }

  /** The keys of this phase are not used any more; the header protection key goes on. RFC 9001 §6.1 */
  retire(): void {
    this.aead.release?.()
  }

  /** Neither these keys nor others with the same header protection key are used any more. */
  release(): void {
    this.aead.release?.()
    this.header.release?.()
  }

  /**
   * Protects the packet at `start` with payload `[packetNumberOffset + packetNumberLength, payloadEnd)`, which must have
   * room for the tag behind it. Returns the end of the packet. RFC 9001 §5.3, §5.4.1, §9.5 #2
   *
   * No two packets sealed with a key may have the same packet number and path ID, so neither has a default.
   */
  seal(
    bytes: Uint8Array,
    start: number,
    packetNumberOffset: number,
    packetNumberLength: number,
    payloadEnd: number,
    packetNumber: number,
    pathId: number
  ): number {
    this.sealed++
    this.setNonce(packetNumber, pathId)
    this.aead.seal(nonce, bytes, start, packetNumberOffset + packetNumberLength, payloadEnd)
    this.header.mask(bytes, packetNumberOffset + 4, mask)
    bytes[start] ^= mask[0] & ((bytes[start] & 0x80) !== 0 ? 0x0f : 0x1f)
    for (let i = 0; i < packetNumberLength; i++) bytes[packetNumberOffset + i] ^= mask[1 + i]
    return payloadEnd + AEAD_TAG_BYTES
  }

  /** Removes header protection; returns the packet number's length, 0 if too short for a sample. RFC 9001 §5.4.2 #1 */
  unmask(bytes: Uint8Array, start: number, packetNumberOffset: number, end: number): number {
    if (packetNumberOffset + 4 + SAMPLE > end) return 0
    this.header.mask(bytes, packetNumberOffset + 4, mask)
    const first = bytes[start] ^ (mask[0] & ((bytes[start] & 0x80) !== 0 ? 0x0f : 0x1f))
    bytes[start] = first
    const packetNumberLength = (first & 3) + 1
    for (let i = 0; i < packetNumberLength; i++) bytes[packetNumberOffset + i] ^= mask[1 + i]
    return packetNumberLength
  }

  /** Decrypts an unmasked packet in place; false, with the payload unchanged, if it does not authenticate. */
  open(
    bytes: Uint8Array,
    start: number,
    packetNumberOffset: number,
    packetNumberLength: number,
    end: number,
    packetNumber: number,
    pathId: number
  ): boolean {
    this.setNonce(packetNumber, pathId)
    return this.aead.open(nonce, bytes, start, packetNumberOffset + packetNumberLength, end)
  }

  /** RFC 9001 §5.3; draft-ietf-quic-multipath §2.4: the path ID fills the 32 bits before the packet number's 62. */
  private setNonce(packetNumber: number, pathId: number): void {
    nonceWords.setInt32(0, this.ivHigh ^ pathId)
    nonceWords.setInt32(4, this.ivMiddle ^ Math.floor(packetNumber / 0x1_0000_0000))
    nonceWords.setInt32(8, this.ivLow ^ packetNumber)
  }
}
