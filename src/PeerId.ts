/**
 * Who a peer is, wherever it is: the SHA-256 of its public key.
 *
 * A `PeerId` is never derived from an address, and so survives every migration. Whoever completes a handshake under it
 * holds the private key.
 */
import { sha256 } from "@noble/hashes/sha2.js"
import * as Schema from "effect/Schema"
import * as Hex from "effect/encoding/Hex"

/** 64 lowercase hex digits: the SHA-256 of a DER SubjectPublicKeyInfo. */
export const PeerId = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{64}$/, { expected: "a PeerId of 64 lowercase hex digits" })
).pipe(Schema.brand("PeerId"))
export type PeerId = typeof PeerId.Type

export const isPeerId: (value: unknown) => value is PeerId = Schema.is(PeerId)

/** The PeerId of the holder of this public key (DER SubjectPublicKeyInfo). */
export const fromSpki = (spki: Uint8Array): PeerId => Hex.encode(sha256(spki)) as PeerId

/** The first 16 hex digits: enough for people to tell peers apart, not for addressing them. */
export const short = (peerId: PeerId): string => peerId.slice(0, 16)
