/**
 * Packet protection in contexts that are kept. RFC 9001 §5.3
 *
 * Bytes in pinned memory, such as a socket's, are encrypted where they are, others on a stage.
 */
import * as Result from "effect/Result"
import type { AeadKey } from "../../../src/capability/CryptoSuite.ts"
import { AEAD_TAG_BYTES } from "../../../src/protect/CipherSuite.ts"
import { type Missing, type Pinned, PinnedViews, size } from "../native.ts"
import { cString, OsslParams } from "./osslParams.ts"
import type { Cipher, Evp, EvpFunctions } from "./Evp.ts"

const NULL = 0n
const NONCE_BYTES = 12
/** The largest packet. */
const STAGE_BYTES = 65_536

/** What an AEAD is called here and by OpenSSL, and how it takes its nonce. */
export interface AeadDescription {
  readonly cipher: string
  readonly keyBytes: number
  /**
   * The size by which "tlsivfixed" stands for a whole nonce, which costs 30 ns, where `EVP_CipherInit_ex2` takes hundreds.
   */
  readonly nonceSize: bigint
}

/** One algorithm: its cipher, and the memory that its keys share. */
export class FfiAead {
  readonly evp: Evp
  readonly cipher: Cipher
  private readonly setParams: EvpFunctions["EVP_CIPHER_CTX_set_params"]
  private readonly getParams: EvpFunctions["EVP_CIPHER_CTX_get_params"]
  private readonly crypt: EvpFunctions["EVP_Cipher"]
  private readonly endSealing: EvpFunctions["EVP_EncryptFinal_ex"]
  private readonly endOpening: EvpFunctions["EVP_DecryptFinal_ex"]
  private readonly nonce: Pinned
  private readonly stage: Pinned
  /** What is left at the end of a cipher: nothing, with these. */
  private readonly rest: Pinned
  /** The nonce; and where the tag goes. */
  private readonly sealing: OsslParams
  private readonly sealed: OsslParams
  /** The tag and the nonce. */
  private readonly opening: OsslParams
  private readonly sealedIn = new PinnedViews()
  private readonly openedIn = new PinnedViews()

  private constructor(evp: Evp, cipher: Cipher, nonceSize: bigint) {
    const { native, functions } = evp
    this.evp = evp
    this.cipher = cipher
    // the record of all functions is a dictionary, slow to look things up in
    this.setParams = functions.EVP_CIPHER_CTX_set_params
    this.getParams = functions.EVP_CIPHER_CTX_get_params
    this.crypt = functions.EVP_Cipher
    this.endSealing = functions.EVP_EncryptFinal_ex
    this.endOpening = functions.EVP_DecryptFinal_ex
    this.nonce = native.pin(NONCE_BYTES)
    this.stage = native.pin(STAGE_BYTES)
    this.rest = native.pin(64)
    const nonce = { key: cString(native, "tlsivfixed"), at: this.nonce.pointer, bytes: nonceSize }
    const tag = { key: cString(native, "tag"), at: this.stage.pointer, bytes: BigInt(AEAD_TAG_BYTES) }
    this.sealing = new OsslParams(native, [nonce])
    this.sealed = new OsslParams(native, [tag])
    this.opening = new OsslParams(native, [tag, nonce])
  }

  static make(evp: Evp, { cipher, keyBytes, nonceSize }: AeadDescription): Result.Result<FfiAead, Missing> {
    return Result.map(evp.cipher(cipher, keyBytes), (cipher) => new FfiAead(evp, cipher, nonceSize))
  }

  key(bytes: Uint8Array): AeadKey {
    return new FfiAeadKey(this, bytes)
  }

  /** The ranges have been checked. */
  seal(
    context: bigint,
    nonce: Uint8Array,
    buffer: Uint8Array,
    aadStart: number,
    payloadStart: number,
    payloadEnd: number
  ): void {
    this.setNonce(nonce)
    const pinned = this.sealedIn.addressOf(buffer)
    if (pinned !== undefined) {
      this.sealAt(context, pinned + aadStart, payloadStart - aadStart, payloadEnd - payloadStart)
      return
    }
    const stage = this.stageOf(payloadEnd - aadStart + AEAD_TAG_BYTES)
    stage.bytes.set(buffer.subarray(aadStart, payloadEnd))
    this.sealAt(context, Number(stage.pointer), payloadStart - aadStart, payloadEnd - payloadStart)
    buffer.set(
      stage.bytes.subarray(payloadStart - aadStart, payloadEnd - aadStart + AEAD_TAG_BYTES),
      payloadStart
    )
  }

  open(
    context: bigint,
    nonce: Uint8Array,
    buffer: Uint8Array,
    aadStart: number,
    payloadStart: number,
    payloadEnd: number
  ): boolean {
    this.setNonce(nonce)
    const pinned = this.openedIn.addressOf(buffer)
    const aadBytes = payloadStart - aadStart
    const payloadBytes = payloadEnd - payloadStart
    if (pinned !== undefined) {
      const at = pinned + aadStart
      if (this.openAt(context, at, aadBytes, payloadBytes)) return true
      this.restore(context, at + aadBytes, payloadBytes)
      return false
    }
    const stage = this.stageOf(payloadEnd - aadStart + AEAD_TAG_BYTES)
    stage.bytes.set(buffer.subarray(aadStart, payloadEnd + AEAD_TAG_BYTES))
    if (!this.openAt(context, Number(stage.pointer), aadBytes, payloadBytes)) return false
    buffer.set(stage.bytes.subarray(aadBytes, aadBytes + payloadBytes), payloadStart)
    return true
  }

  private setNonce(nonce: Uint8Array): void {
    const { bytes } = this.nonce
    for (let i = 0; i < NONCE_BYTES; i++) bytes[i] = nonce[i]
  }

  private sealAt(context: bigint, aad: number, aadBytes: number, payloadBytes: number): void {
    const { sealing, sealed, rest } = this
    const payload = BigInt(aad + aadBytes)
    sealed.point(0, aad + aadBytes + payloadBytes)
    const isSealed =
      this.setParams(context, sealing.pointer) === 1 &&
      this.crypt(context, NULL, BigInt(aad), size(aadBytes)) >= 0 &&
      this.crypt(context, payload, payload, size(payloadBytes)) >= 0 &&
      this.endSealing(context, rest.pointer, rest.pointer) === 1 &&
      this.getParams(context, sealed.pointer) === 1
    if (!isSealed) throw new Error(`OpenSSL could not encrypt with ${this.cipher.name}`)
  }

  private openAt(context: bigint, aad: number, aadBytes: number, payloadBytes: number): boolean {
    const { opening, rest } = this
    const payload = BigInt(aad + aadBytes)
    opening.point(0, aad + aadBytes + payloadBytes)
    return (
      this.setParams(context, opening.pointer) === 1 &&
      this.crypt(context, NULL, BigInt(aad), size(aadBytes)) >= 0 &&
      this.crypt(context, payload, payload, size(payloadBytes)) >= 0 &&
      this.endOpening(context, rest.pointer, rest.pointer) === 1
    )
  }

  /** Undoes the decryption of what was not authentic: these ciphers are a key stream, which is its own inverse. */
  private restore(context: bigint, payload: number, payloadBytes: number): void {
    const { opening, rest } = this
    const pointer = BigInt(payload)
    this.setParams(context, opening.pointer)
    this.crypt(context, pointer, pointer, size(payloadBytes))
    this.endOpening(context, rest.pointer, rest.pointer)
  }

  private stageOf(bytes: number): Pinned {
    return bytes <= STAGE_BYTES ? this.stage : this.evp.native.pin(bytes)
  }
}

class FfiAeadKey implements AeadKey {
  private readonly aead: FfiAead
  /** 0 once it has been freed. */
  private context: bigint
  /** Keys of packets either seal or open; those of tokens do both. */
  private encrypts = true

  constructor(aead: FfiAead, key: Uint8Array) {
    this.aead = aead
    this.context = aead.evp.context(this, aead.cipher, key)
  }

  seal(
    nonce: Uint8Array,
    buffer: Uint8Array,
    aadStart: number,
    payloadStart: number,
    payloadEnd: number
  ): void {
    if (this.context === NULL) throw new Error("sealed with a key that has been released")
    if (!isWithin(nonce, buffer, aadStart, payloadStart, payloadEnd))
      throw new RangeError(
        `[${aadStart}, ${payloadStart}, ${payloadEnd}] does not fit ${buffer.length} bytes`
      )
    if (!this.encrypts) this.turn(true)
    this.aead.seal(this.context, nonce, buffer, aadStart, payloadStart, payloadEnd)
  }

  open(
    nonce: Uint8Array,
    buffer: Uint8Array,
    aadStart: number,
    payloadStart: number,
    sealedEnd: number
  ): boolean {
    const payloadEnd = sealedEnd - AEAD_TAG_BYTES
    if (this.context === NULL || !isWithin(nonce, buffer, aadStart, payloadStart, payloadEnd)) return false
    if (this.encrypts) this.turn(false)
    return this.aead.open(this.context, nonce, buffer, aadStart, payloadStart, payloadEnd)
  }

  release(): void {
    if (this.context !== NULL) this.aead.evp.free(this, this.context)
    this.context = NULL
  }

  private turn(encrypts: boolean): void {
    this.aead.evp.turn(this.context, encrypts)
    this.encrypts = encrypts
  }
}

/** Whether the ranges, and a tag after them, are in the buffer; false for numbers that are no offsets. */
const isWithin = (
  nonce: Uint8Array,
  buffer: Uint8Array,
  aadStart: number,
  payloadStart: number,
  payloadEnd: number
): boolean =>
  nonce.length === NONCE_BYTES &&
  Number.isInteger(aadStart) &&
  Number.isInteger(payloadStart) &&
  Number.isInteger(payloadEnd) &&
  aadStart >= 0 &&
  aadStart <= payloadStart &&
  payloadStart <= payloadEnd &&
  payloadEnd + AEAD_TAG_BYTES <= buffer.length
