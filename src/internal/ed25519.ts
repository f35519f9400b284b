/** Ed25519 public keys as SubjectPublicKeyInfo. RFC 8410 §4 */
import { sameRange } from "./bytes.ts"

export const PUBLIC_KEY_BYTES = 32

/** DER up to the key: SEQUENCE { SEQUENCE { 1.3.101.112 }, BIT STRING }. */
const prefix = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00)

/** The SubjectPublicKeyInfo of a key of 32 bytes. */
export const spkiOf = (publicKey: Uint8Array): Uint8Array => {
  const spki = new Uint8Array(prefix.length + PUBLIC_KEY_BYTES)
  spki.set(prefix)
  spki.set(publicKey, prefix.length)
  return spki
}

/** The 32 bytes of the key; undefined for another kind of key. */
export const publicKeyIn = (spki: Uint8Array): Uint8Array | undefined =>
  spki.length === prefix.length + PUBLIC_KEY_BYTES && sameRange(prefix, spki, 0, prefix.length)
    ? spki.slice(prefix.length)
    : undefined
