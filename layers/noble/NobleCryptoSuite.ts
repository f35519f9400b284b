/**
 * `CryptoSuite` in pure JavaScript, for platforms without `node:crypto`.
 *
 * AES-GCM is ten times slower than on Node, ChaCha20-Poly1305 three times: prefer the latter. RSA is not supported, so
 * peers must authenticate with Ed25519, P-256 or P-384. With seeded randomness all output is reproducible, including
 * signatures.
 */
import { equalBytes } from "@noble/ciphers/utils.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256, sha384, sha512 } from "@noble/hashes/sha2.js"
import * as Layer from "effect/Layer"
import { CryptoSuite, type CryptoSuiteShape } from "../../src/capability/CryptoSuite.ts"
import { groups, keyShare, respond } from "./nobleKeyAgreement.ts"
import { aead, headerProtection } from "./noblePackets.ts"
import { generateSigningKey, signatureSchemes, signingKey, verify } from "./nobleSignatures.ts"

const hashes = { sha256, sha384, sha512 }

/**
 * The suite itself, for code outside Effect.
 *
 * @category implementations
 * @since 0.1.0
 */
export const suite: CryptoSuiteShape = {
  name: "noble",
  groups,
  signatureSchemes,
  aead,
  headerProtection,
  hash: (algorithm, data) => hashes[algorithm](data),
  runningHash: (algorithm) => {
    const hash = hashes[algorithm].create()
    return { update: (data) => void hash.update(data), digest: () => hash.clone().digest() }
  },
  hmac: (algorithm, key, data) => hmac(hashes[algorithm], key, data),
  keyShare,
  respond,
  signingKey,
  generateSigningKey,
  verify,
  equal: equalBytes
}

/**
 * Provides `CryptoSuite` from `@noble/ciphers`, `@noble/curves`, `@noble/hashes` and `@noble/post-quantum`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<CryptoSuite> = Layer.succeed(CryptoSuite, suite)
