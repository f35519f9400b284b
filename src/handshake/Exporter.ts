import type { CryptoSuiteShape } from "../capability/CryptoSuite.ts"
import type { CipherSuite } from "../protect/CipherSuite.ts"
import { hkdfExpandLabel } from "../protect/hkdf.ts"

/** HKDF-Expand-Label takes 255 bytes, of which "tls13 " are six. RFC 8446 §7.1 */
export const MAX_EXPORTER_LABEL_BYTES = 249
/** 255 blocks of SHA-256, the shortest hash of a TLS 1.3 cipher suite. RFC 5869 §2.3 */
export const MAX_EXPORTED_BYTES = 255 * 32

/** Keying material for the application, from the exporter secret of a completed handshake. RFC 8446 §7.5 */
export class Exporter {
  private readonly suite: CryptoSuiteShape
  private readonly cipher: CipherSuite
  private readonly secret: Uint8Array

  constructor(suite: CryptoSuiteShape, cipher: CipherSuite, secret: Uint8Array) {
    this.suite = suite
    this.cipher = cipher
    this.secret = secret
  }

  /** `label` is ASCII, of 1 to `MAX_EXPORTER_LABEL_BYTES`; `length` at most `MAX_EXPORTED_BYTES`. */
  derive(label: string, context: Uint8Array, length: number): Uint8Array {
    const { suite, cipher } = this
    const { hash, hashLength } = cipher
    const emptyHash = suite.hash(hash, new Uint8Array(0))
    const secret = hkdfExpandLabel(suite, hash, this.secret, label, emptyHash, hashLength)
    return hkdfExpandLabel(suite, hash, secret, "exporter", suite.hash(hash, context), length)
  }
}
