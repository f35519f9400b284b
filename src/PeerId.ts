/**
 * The identity of a peer, wherever it is: the SHA-256 of its public key.
 *
 * A `PeerId` does not depend on an address and so survives every migration. A peer that completes a handshake under it
 * holds the private key.
 *
 * @since 0.1.0
 */
import { sha256 } from "@noble/hashes/sha2.js"
import * as Schema from "effect/Schema"
import * as Hex from "effect/encoding/Hex"

/**
 * Schema of a `PeerId`: 64 lowercase hex digits.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PeerId = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{64}$/, { expected: "a PeerId of 64 lowercase hex digits" })
).pipe(Schema.brand("PeerId"))

/**
 * 64 lowercase hex digits, the SHA-256 of a DER SubjectPublicKeyInfo.
 *
 * @category models
 * @since 0.1.0
 */
export type PeerId = typeof PeerId.Type

/**
 * Whether a value is a `PeerId`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPeerId: (value: unknown) => value is PeerId = Schema.is(PeerId)

/**
 * The `PeerId` of the holder of a public key, given as DER SubjectPublicKeyInfo.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromSpki = (spki: Uint8Array): PeerId => Hex.encode(sha256(spki)) as PeerId

/**
 * The first 16 hex digits: enough for people to tell peers apart, too few to authenticate one.
 *
 * @category converting
 * @since 0.1.0
 */
export const short = (peerId: PeerId): string => peerId.slice(0, 16)
