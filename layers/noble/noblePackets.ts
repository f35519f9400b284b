/** Packet protection on `@noble/ciphers`. RFC 9001 §5.3, §5.4 */
import { gcm, unsafe } from "@noble/ciphers/aes.js"
import { chacha20poly1305 } from "@noble/ciphers/chacha.js"
import type { AeadAlgorithm, AeadKey, HeaderKey } from "../../src/capability/CryptoSuite.ts"
import { ChaChaHeaderKey, littleEndianWord as word, writeMask } from "./ChaChaHeaderKey.ts"
import { AEAD_TAG_BYTES } from "../../src/protect/CipherSuite.ts"

class NobleAeadKey implements AeadKey {
  private readonly cipher: typeof gcm | typeof chacha20poly1305
  private readonly key: Uint8Array

  constructor(algorithm: AeadAlgorithm, key: Uint8Array) {
    this.cipher = algorithm === "chacha20-poly1305" ? chacha20poly1305 : gcm
    this.key = key
  }

  seal(
    nonce: Uint8Array,
    buffer: Uint8Array,
    aadStart: number,
    payloadStart: number,
    payloadEnd: number
  ): void {
    const cipher = this.cipher(this.key, nonce, buffer.subarray(aadStart, payloadStart))
    buffer.set(cipher.encrypt(buffer.subarray(payloadStart, payloadEnd)), payloadStart)
  }

  open(
    nonce: Uint8Array,
    buffer: Uint8Array,
    aadStart: number,
    payloadStart: number,
    sealedEnd: number
  ): boolean {
    if (sealedEnd - AEAD_TAG_BYTES < payloadStart) return false
    const cipher = this.cipher(this.key, nonce, buffer.subarray(aadStart, payloadStart))
    let opened: Uint8Array
    try {
      opened = cipher.decrypt(buffer.subarray(payloadStart, sealedEnd))
    } catch {
      return false // noble throws on an invalid tag
    }
    buffer.set(opened, payloadStart)
    return true
  }
}

/** One AES block with a pre-expanded key. RFC 9001 §5.4.3 */
class AesHeaderKey implements HeaderKey {
  private readonly expandedKey: Uint32Array

  constructor(key: Uint8Array) {
    this.expandedKey = unsafe.expandKeyLE(key)
  }

  mask(buffer: Uint8Array, offset: number, mask: Uint8Array): void {
    const { s0, s1 } = unsafe.encrypt(
      this.expandedKey,
      word(buffer, offset),
      word(buffer, offset + 4),
      word(buffer, offset + 8),
      word(buffer, offset + 12)
    )
    writeMask(mask, s0, s1)
  }
}

export const aead = (algorithm: AeadAlgorithm, key: Uint8Array): AeadKey => new NobleAeadKey(algorithm, key)

export const headerProtection = (algorithm: AeadAlgorithm, key: Uint8Array): HeaderKey =>
  algorithm === "chacha20-poly1305" ? new ChaChaHeaderKey(key) : new AesHeaderKey(key)
