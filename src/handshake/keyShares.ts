/** The key shares of a ClientHello. RFC 8446 §4.2.8 */
import { type KeyShare, NamedGroup } from "../capability/CryptoSuite.ts"
import { ByteWriter } from "../wire/ByteWriter.ts"
import type { TlsClientConfig } from "./TlsSession.ts"

/**
 * The group the server most likely selects, and X25519, which every server supports; a wrong guess costs a round trip.
 * RFC 8446 §4.2.8: in the order of `groups`
 */
export const shareGroups = (
  { groups, keyShareGroups }: TlsClientConfig,
  remembered: NamedGroup | undefined
): ReadonlyArray<NamedGroup> => {
  const wanted = keyShareGroups ?? [remembered ?? groups[0], NamedGroup.x25519]
  return groups.filter((group) => wanted.includes(group))
}

export const writeShares = (shares: ReadonlyArray<KeyShare>): Uint8Array => {
  const size = shares.reduce((sum, share) => sum + 4 + share.publicKey.length, 0)
  const w = new ByteWriter(new Uint8Array(2 + size))
  w.u16(size)
  for (const { group, publicKey } of shares) {
    w.u16(group)
    w.u16(publicKey.length)
    w.copy(publicKey)
  }
  return w.bytes
}
