/** The preferred_address transport parameter. RFC 9000 §18.2 */
import type { ByteReader } from "./ByteReader.ts"
import { ByteWriter } from "./ByteWriter.ts"
import { formatIp, parseIp, unmap } from "./ipAddress.ts"
import { MAX_CID_BYTES } from "./PacketHeader.ts"
import type { SocketAddress } from "./SocketAddress.ts"

/** Where a server prefers to be reached after the handshake. RFC 9000 §9.6 */
export interface PreferredAddress {
  readonly ipv4: SocketAddress | undefined
  readonly ipv6: SocketAddress | undefined
  readonly connectionId: Uint8Array
  readonly statelessResetToken: Uint8Array
}

export const encodePreferredAddress = (preferred: PreferredAddress): Uint8Array => {
  const w = new ByteWriter(new Uint8Array(4 + 2 + 16 + 2 + 1 + preferred.connectionId.length + 16))
  w.copy(addressBytes(preferred.ipv4?.host, 4))
  w.u16(preferred.ipv4?.port ?? 0)
  w.copy(addressBytes(preferred.ipv6?.host, 16))
  w.u16(preferred.ipv6?.port ?? 0)
  w.u8(preferred.connectionId.length)
  w.copy(preferred.connectionId)
  w.copy(preferred.statelessResetToken)
  return w.bytes
}

/** Undefined when malformed; a family with port 0 is not offered. */
export const decodePreferredAddress = (r: ByteReader): PreferredAddress | undefined => {
  const v4 = r.take(4)
  const port4 = r.u16()
  const v6 = r.take(16)
  const port6 = r.u16()
  const connectionId = r.take(r.u8()).slice()
  const statelessResetToken = r.take(16).slice()
  if (r.failed || r.remaining > 0) return undefined
  if (connectionId.length < 1 || connectionId.length > MAX_CID_BYTES) return undefined
  return {
    ipv4: port4 === 0 ? undefined : { host: formatIp(v4), port: port4, family: 4 },
    // an IPv4-mapped address is not an IPv6 address
    ipv6: port6 === 0 || unmap(v6) !== v6 ? undefined : { host: formatIp(v6), port: port6, family: 6 },
    connectionId,
    statelessResetToken
  }
}

/** Zeros when there is no address of this family. */
const addressBytes = (host: string | undefined, length: 4 | 16): Uint8Array => {
  const bytes = host === undefined ? undefined : parseIp(host)?.bytes
  return bytes?.length === length ? bytes : new Uint8Array(length)
}
