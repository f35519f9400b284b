/** How a client of a relay proves its key: by a challenge, or by what only its own TLS connection can export. */
import { blake3 } from "@noble/hashes/blake3.js"
import { type CryptoSuiteShape, SignatureScheme } from "../capability/CryptoSuite.ts"
import type { RelayIdentity } from "../capability/RelayPort.ts"
import { PUBLIC_KEY_BYTES, spkiOf } from "../internal/ed25519.ts"
import { SIGNATURE_BYTES } from "./frames.ts"

/** The request header that saves the challenge's round trip. */
export const AUTH_HEADER = "x-iroh-relay-client-auth-v1"

/** Label of the TLS exporter (RFC 8446 §7.5); the context is the client's key. */
export const EXPORTER_LABEL = "iroh-relay handshake v1"

/** What is exported: half is signed, half tells whether both sides mean the same connection. */
export const EXPORTED_BYTES = 32
const SIGNED_BYTES = EXPORTED_BYTES / 2

const challengeContext = new TextEncoder().encode("iroh-relay handshake v1 challenge signature")

/** What the holder of a key signs to answer `challenge`: a key derived from it, so that no signature fits elsewhere. */
const challengeMessage = (challenge: Uint8Array): Uint8Array =>
  blake3(challenge, { context: challengeContext })

export const signChallenge = (identity: RelayIdentity, challenge: Uint8Array): Uint8Array =>
  identity.sign(challengeMessage(challenge))

const verifies = (
  crypto: CryptoSuiteShape,
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array
): boolean => crypto.verify(SignatureScheme.ed25519, spkiOf(publicKey), message, signature)

export const verifyChallenge = (
  crypto: CryptoSuiteShape,
  publicKey: Uint8Array,
  challenge: Uint8Array,
  signature: Uint8Array
): boolean => verifies(crypto, publicKey, challengeMessage(challenge), signature)

/** Bytes of a header: key, length of the signature, signature, the exported half that is not signed. */
const HEADER_BYTES = PUBLIC_KEY_BYTES + 1 + SIGNATURE_BYTES + EXPORTED_BYTES - SIGNED_BYTES
const HEADER_CHARACTERS = Math.ceil((HEADER_BYTES * 4) / 3)

/** The value of the header for a connection that exported `exported` for this key. */
export const authHeader = (identity: RelayIdentity, exported: Uint8Array): string => {
  const bytes = new Uint8Array(HEADER_BYTES)
  bytes.set(identity.publicKey)
  bytes[PUBLIC_KEY_BYTES] = SIGNATURE_BYTES
  bytes.set(identity.sign(exported.subarray(0, SIGNED_BYTES)), PUBLIC_KEY_BYTES + 1)
  bytes.set(exported.subarray(SIGNED_BYTES), PUBLIC_KEY_BYTES + 1 + SIGNATURE_BYTES)
  return base64Url(bytes)
}

/** Bytes that the TLS connection of a request exports for a context; undefined where there is no TLS, or no exporter. */
export type Exporter = (label: string, context: Uint8Array, length: number) => Uint8Array | undefined

/**
 * - `proven`: the client holds `publicKey`
 * - `challenge`: nothing is shown yet: there is no such header, none that can be read, or it is about another TLS
 *   connection, as behind a proxy that ends TLS, or when it is replayed
 * - `forged`: about this connection, but not signed with the key it names
 */
export type HeaderVerdict =
  | { readonly _tag: "proven"; readonly publicKey: Uint8Array }
  | { readonly _tag: "challenge" }
  | { readonly _tag: "forged" }

const unproven: HeaderVerdict = { _tag: "challenge" }

export const verifyAuthHeader = (
  crypto: CryptoSuiteShape,
  value: string | undefined,
  exporter: Exporter
): HeaderVerdict => {
  if (value?.length !== HEADER_CHARACTERS) return unproven
  const bytes = fromBase64Url(value)
  if (bytes === undefined || bytes[PUBLIC_KEY_BYTES] !== SIGNATURE_BYTES) return unproven
  const publicKey = bytes.slice(0, PUBLIC_KEY_BYTES)
  const signature = bytes.subarray(PUBLIC_KEY_BYTES + 1, PUBLIC_KEY_BYTES + 1 + SIGNATURE_BYTES)
  const suffix = bytes.subarray(PUBLIC_KEY_BYTES + 1 + SIGNATURE_BYTES)
  const exported = exporter(EXPORTER_LABEL, publicKey, EXPORTED_BYTES)
  if (exported === undefined || !crypto.equal(exported.subarray(SIGNED_BYTES), suffix)) return unproven
  return verifies(crypto, publicKey, exported.subarray(0, SIGNED_BYTES), signature)
    ? { _tag: "proven", publicKey }
    : { _tag: "forged" }
}

const base64Url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "")

const fromBase64Url = (text: string): Uint8Array | undefined =>
  /^[A-Za-z0-9_-]+$/.test(text)
    ? Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (byte) => byte.charCodeAt(0))
    : undefined
