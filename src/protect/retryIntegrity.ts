import type { CryptoSuiteShape } from "../capability/CryptoSuite.ts"
import { Version } from "../wire/PacketType.ts"

const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.match(/../g)!, (byte) => Number.parseInt(byte, 16))

/** Fixed keys: the tag only detects corruption and binds a Retry to its Initial. RFC 9001 §5.8, RFC 9369 §3.3.3 */
const fixed = new Map<Version, { readonly key: Uint8Array; readonly nonce: Uint8Array }>([
  [Version.v1, { key: hex("be0c690b9f66575a1d766b54e368c84e"), nonce: hex("461599d35d632bf2239825bb") }],
  [Version.v2, { key: hex("8fb4b01b56ac48e260fbcbcead7ccc92"), nonce: hex("d86969bc2d7c6d9990efb04a") }]
])

/** The 16-byte Retry Integrity Tag over a Retry packet and the DCID of the client's Initial. */
export const retryIntegrityTag = (
  suite: CryptoSuiteShape,
  version: Version,
  originalDestinationConnectionId: Uint8Array,
  retryWithoutTag: Uint8Array
): Uint8Array => {
  const { key, nonce } = fixed.get(version)!
  const idLength = originalDestinationConnectionId.length
  const pseudoPacket = new Uint8Array(1 + idLength + retryWithoutTag.length + 16)
  pseudoPacket[0] = idLength
  pseudoPacket.set(originalDestinationConnectionId, 1)
  pseudoPacket.set(retryWithoutTag, 1 + idLength)
  const end = pseudoPacket.length - 16
  const aead = suite.aead("aes-128-gcm", key)
  aead.seal(nonce, pseudoPacket, 0, end, end)
  aead.release?.()
  return pseudoPacket.slice(end)
}
