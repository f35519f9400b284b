import type { HeaderKey } from "../../../src/capability/CryptoSuite.ts"
import type { Pinned } from "../native.ts"
import type { Cipher, Evp, EvpFunctions } from "./Evp.ts"

const NULL = 0n
const SAMPLE_BYTES = 16
const SAMPLE_SIZE = BigInt(SAMPLE_BYTES)
const MASK_BYTES = 5

/** AES header protection: one block of AES-ECB. RFC 9001 §5.4.3 */
export class FfiHeaderProtection {
  readonly evp: Evp
  readonly cipher: Cipher
  private readonly sample: Pinned
  private readonly block: Pinned
  private readonly crypt: EvpFunctions["EVP_Cipher"]

  constructor(evp: Evp, cipher: Cipher) {
    this.evp = evp
    this.cipher = cipher
    this.crypt = evp.functions.EVP_Cipher
    this.sample = evp.native.pin(SAMPLE_BYTES)
    // room for a second block, if one was left over
    this.block = evp.native.pin(2 * SAMPLE_BYTES)
  }

  key(bytes: Uint8Array): HeaderKey {
    return new FfiHeaderKey(this, bytes)
  }

  mask(context: bigint, buffer: Uint8Array, offset: number, mask: Uint8Array): void {
    const sample = this.sample.bytes
    const block = this.block.bytes
    for (let i = 0; i < SAMPLE_BYTES; i++) sample[i] = buffer[offset + i]
    const written = this.crypt(context, this.block.pointer, this.sample.pointer, SAMPLE_SIZE)
    if (written < 0) throw new Error(`OpenSSL could not encrypt with ${this.cipher.name}`)
    for (let i = 0; i < MASK_BYTES; i++) mask[i] = block[i]
  }
}

class FfiHeaderKey implements HeaderKey {
  private readonly protection: FfiHeaderProtection
  /** 0 once it has been freed. */
  private context: bigint

  constructor(protection: FfiHeaderProtection, key: Uint8Array) {
    this.protection = protection
    this.context = protection.evp.context(this, protection.cipher, key)
  }

  mask(buffer: Uint8Array, offset: number, mask: Uint8Array): void {
    if (this.context === NULL) throw new Error("masked with a key that has been released")
    if (!(offset >= 0 && offset + SAMPLE_BYTES <= buffer.length))
      throw new RangeError(`no sample at ${offset} of ${buffer.length} bytes`)
    this.protection.mask(this.context, buffer, offset, mask)
  }

  release(): void {
    if (this.context !== NULL) this.protection.evp.free(this, this.context)
    this.context = NULL
  }
}
