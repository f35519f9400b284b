/** The scope of addresses, so that a peer cannot direct us to one that only we can reach. RFC 9000 §21.5, RFC 6890 */
import { parseIp, unmap } from "./ipAddress.ts"
import type { SocketAddress } from "./SocketAddress.ts"

/** Ordered by width. `nowhere` covers unspecified, multicast, broadcast and reserved addresses. */
export const AddressScope = { nowhere: 0, host: 1, link: 2, site: 3, global: 4 } as const
export type AddressScope = (typeof AddressScope)[keyof typeof AddressScope]

export const addressScope = ({ host }: SocketAddress): AddressScope => {
  const parsed = parseIp(host)
  if (parsed === undefined) return AddressScope.nowhere
  const bytes = unmap(parsed.bytes)
  return bytes.length === 4 ? scopeOf4(bytes) : scopeOf6(bytes)
}

const scopeOf4 = ([a, b]: Uint8Array): AddressScope => {
  if (a === 0 || a >= 224) return AddressScope.nowhere
  if (a === 127) return AddressScope.host
  if (a === 169 && b === 254) return AddressScope.link
  if (a === 10 || (a === 172 && b >> 4 === 1) || (a === 192 && b === 168) || (a === 100 && b >> 6 === 1))
    return AddressScope.site
  return AddressScope.global
}

const scopeOf6 = (bytes: Uint8Array): AddressScope => {
  const zeros = bytes.findIndex((byte) => byte !== 0)
  if (zeros === -1 || bytes[0] === 0xff) return AddressScope.nowhere
  if (zeros === 15 && bytes[15] === 1) return AddressScope.host
  if (bytes[0] === 0xfe && bytes[1] >> 6 === 2) return AddressScope.link
  if (bytes[0] >> 1 === 0x7e || (bytes[0] === 0xfe && bytes[1] >> 6 === 3)) return AddressScope.site
  return AddressScope.global
}
