import type { AeadAlgorithm, HashAlgorithm } from "../capability/CryptoSuite.ts"

/** A TLS 1.3 cipher suite as used by QUIC. RFC 8446 §B.4, RFC 9001 §5.3 #1, §5.4.1, §6.6 */
export interface CipherSuite {
  readonly codepoint: number
  /** The IANA name. */
  readonly name: string
  readonly aead: AeadAlgorithm
  readonly hash: HashAlgorithm
  readonly hashLength: number
  readonly keyLength: number
  /** Maximum packets sealed with one key, and maximum packets that fail to open. RFC 9001 §6.6 #7 #8 */
  readonly confidentialityLimit: number
  readonly integrityLimit: number
}

/** Tag length of every AEAD. RFC 9001 §5.3 */
export const AEAD_TAG_BYTES = 16

export const TLS_AES_128_GCM_SHA256 = 0x1301
export const TLS_AES_256_GCM_SHA384 = 0x1302
export const TLS_CHACHA20_POLY1305_SHA256 = 0x1303

const suites: ReadonlyArray<CipherSuite> = [
  {
    codepoint: TLS_AES_128_GCM_SHA256,
    name: "TLS_AES_128_GCM_SHA256",
    aead: "aes-128-gcm",
    hash: "sha256",
    hashLength: 32,
    keyLength: 16,
    confidentialityLimit: 2 ** 23,
    integrityLimit: 2 ** 52
  },
  {
    codepoint: TLS_AES_256_GCM_SHA384,
    name: "TLS_AES_256_GCM_SHA384",
    aead: "aes-256-gcm",
    hash: "sha384",
    hashLength: 48,
    keyLength: 32,
    confidentialityLimit: 2 ** 23,
    integrityLimit: 2 ** 52
  },
  {
    codepoint: TLS_CHACHA20_POLY1305_SHA256,
    name: "TLS_CHACHA20_POLY1305_SHA256",
    aead: "chacha20-poly1305",
    hash: "sha256",
    hashLength: 32,
    keyLength: 32,
    // RFC 9001 §6.6: greater than the number of possible packets
    confidentialityLimit: Number.MAX_SAFE_INTEGER,
    integrityLimit: 2 ** 36
  }
]

/** By codepoint. The limits are those of RFC 9001 §6.6. */
export const cipherSuites: ReadonlyMap<number, CipherSuite> = new Map(
  suites.map((suite) => [suite.codepoint, suite])
)
