/** Packet protection on OpenSSL. RFC 9001 §5.3, §5.4 */
import {
  type CipherGCMTypes,
  type Cipheriv,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type KeyObject
} from "node:crypto"
import type { AeadAlgorithm, AeadKey, HeaderKey } from "../../../src/capability/CryptoSuite.ts"
import { ChaChaHeaderKey } from "../../noble/ChaChaHeaderKey.ts"
import { AEAD_TAG_BYTES } from "../../../src/protect/CipherSuite.ts"

const aeadOptions = { authTagLength: AEAD_TAG_BYTES } as const

/** Node has no reusable AEAD key; creating the cipher takes a quarter of the time per packet. */
class NodeAeadKey implements AeadKey {
  private readonly algorithm: CipherGCMTypes
  // a KeyObject is validated and copied only once, bytes for every packet
  private readonly key: KeyObject

  constructor(algorithm: AeadAlgorithm, key: Uint8Array) {
    // Node's types declare the AEAD interface for GCM only; ChaCha20-Poly1305 has the same
    this.algorithm = algorithm as CipherGCMTypes
    this.key = createSecretKey(key)
  }

  seal(
    nonce: Uint8Array,
    buffer: Uint8Array,
    aadStart: number,
    payloadStart: number,
    payloadEnd: number
  ): void {
    const cipher = createCipheriv(this.algorithm, this.key, nonce, aeadOptions)
    cipher.setAAD(buffer.subarray(aadStart, payloadStart))
    const sealed = cipher.update(buffer.subarray(payloadStart, payloadEnd))
    cipher.final()
    buffer.set(sealed, payloadStart)
    buffer.set(cipher.getAuthTag(), payloadEnd)
  }

  open(
    nonce: Uint8Array,
    buffer: Uint8Array,
    aadStart: number,
    payloadStart: number,
    sealedEnd: number
  ): boolean {
    const payloadEnd = sealedEnd - AEAD_TAG_BYTES
    if (payloadEnd < payloadStart) return false
    const decipher = createDecipheriv(this.algorithm, this.key, nonce, aeadOptions)
    decipher.setAuthTag(buffer.subarray(payloadEnd, sealedEnd))
    decipher.setAAD(buffer.subarray(aadStart, payloadStart))
    const opened = decipher.update(buffer.subarray(payloadStart, payloadEnd))
    try {
      decipher.final()
    } catch {
      return false // Node throws on an invalid tag
    }
    buffer.set(opened, payloadStart)
    return true
  }
}

/** A long-lived AES-ECB cipher: one block in, one block out, no state in between. RFC 9001 §5.4.3 */
class AesHeaderKey implements HeaderKey {
  private readonly cipher: Cipheriv

  constructor(algorithm: AeadAlgorithm, key: Uint8Array) {
    this.cipher = createCipheriv(algorithm === "aes-128-gcm" ? "aes-128-ecb" : "aes-256-ecb", key, null)
    this.cipher.setAutoPadding(false)
  }

  mask(buffer: Uint8Array, offset: number, mask: Uint8Array): void {
    const block = this.cipher.update(buffer.subarray(offset, offset + 16))
    for (let i = 0; i < 5; i++) mask[i] = block[i]
  }
}

export const aead = (algorithm: AeadAlgorithm, key: Uint8Array): AeadKey => new NodeAeadKey(algorithm, key)

export const headerProtection = (algorithm: AeadAlgorithm, key: Uint8Array): HeaderKey =>
  algorithm === "chacha20-poly1305" ? new ChaChaHeaderKey(key) : new AesHeaderKey(algorithm, key)
