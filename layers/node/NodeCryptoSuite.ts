/**
 * `CryptoSuite` on `node:crypto`: OpenSSL's ciphers for packets, its curves and signatures for TLS.
 *
 * Always returns a fresh Uint8Array, as a Buffer shares pooled memory and its `slice` is a view.
 * With seeded randomness key shares and Ed25519 signatures are reproducible; ECDSA and RSA-PSS signatures are not.
 */
import * as Layer from "effect/Layer"
import * as crypto from "node:crypto"
import { CryptoSuite, type CryptoSuiteShape } from "../../src/capability/CryptoSuite.ts"
import { hash, hmac, runningHash } from "./crypto/nodeHashes.ts"
import { groups, keyShare, respond } from "./crypto/nodeKeyAgreement.ts"
import { aead, headerProtection } from "./crypto/nodePackets.ts"
import { generateSigningKey, signatureSchemes, signingKey, verify } from "./crypto/nodeSignatures.ts"

/**
 * The suite itself, for code outside Effect.
 *
 * @category implementations
 * @since 0.1.0
 */
export const suite: CryptoSuiteShape = {
  name: "node",
  groups,
  signatureSchemes,
  aead,
  headerProtection,
  hash,
  runningHash,
  hmac,
  keyShare,
  respond,
  signingKey,
  generateSigningKey,
  verify,
  equal: (a, b) => a.length === b.length && crypto.timingSafeEqual(a, b)
}

/**
 * Provides `CryptoSuite` from `node:crypto`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<CryptoSuite> = Layer.succeed(CryptoSuite, suite)
