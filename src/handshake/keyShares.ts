/** The key shares of a ClientHello. RFC 8446 §4.2.8 */
import {
  type CryptoSuiteShape,
  type KeyShare,
  NamedGroup,
  type RandomBytes
} from "../capability/CryptoSuite.ts"
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

/** A share for each group; that of X25519 is the hybrid's if there is one, which spares a key. RFC 9954 §3.2 */
export const makeShares = (
  groups: ReadonlyArray<NamedGroup>,
  suite: CryptoSuiteShape,
  random: RandomBytes
): ReadonlyArray<KeyShare> => {
  const hybrid = groups.includes(NamedGroup.x25519MlKem768)
    ? suite.keyShare(NamedGroup.x25519MlKem768, random)
    : undefined
  return groups.map((group) => {
    if (group === hybrid?.group) return hybrid
    return group === hybrid?.classical?.group ? hybrid.classical : suite.keyShare(group, random)
  })
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
