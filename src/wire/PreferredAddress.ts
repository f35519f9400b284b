/** The preferred_address transport parameter. RFC 9000 §18.2 */
import type { ByteReader } from "./ByteReader.ts"
import { ByteWriter } from "./ByteWriter.ts"
import { MAX_CID_BYTES } from "./PacketHeader.ts"
import type { SocketAddress } from "./SocketAddress.ts"

/** Where a server would rather be talked to, once the handshake is done. RFC 9000 §9.6 */
export interface PreferredAddress {
  readonly ipv4: SocketAddress | undefined
  readonly ipv6: SocketAddress | undefined
  readonly connectionId: Uint8Array
  readonly statelessResetToken: Uint8Array
}

export const encodePreferredAddress = (preferred: PreferredAddress): Uint8Array => {
  const w = new ByteWriter(new Uint8Array(4 + 2 + 16 + 2 + 1 + preferred.connectionId.length + 16))
  w.copy(encodeIpv4(preferred.ipv4?.host))
  w.u16(preferred.ipv4?.port ?? 0)
  w.copy(encodeIpv6(preferred.ipv6?.host))
  w.u16(preferred.ipv6?.port ?? 0)
  w.u8(preferred.connectionId.length)
  w.copy(preferred.connectionId)
  w.copy(preferred.statelessResetToken)
  return w.bytes
}

/** Undefined when it is malformed; a family without a port is one the server does not offer. */
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
    ipv4: port4 === 0 ? undefined : { host: v4.join("."), port: port4, family: 4 },
    ipv6: port6 === 0 ? undefined : { host: formatIpv6(v6), port: port6, family: 6 },
    connectionId,
    statelessResetToken
  }
}

const encodeIpv4 = (host: string | undefined): Uint8Array =>
  host === undefined ? new Uint8Array(4) : Uint8Array.from(host.split("."), Number)

/** The 16 bytes of an address without interface or dotted part; zeros when there is none. */
export const encodeIpv6 = (host: string | undefined): Uint8Array => {
  const bytes = new Uint8Array(16)
  if (host === undefined) return bytes
  const [head, tail] = host.split("::")
  const groups = (part: string | undefined) =>
    part ? part.split(":").map((group) => Number.parseInt(group, 16)) : []
  const before = groups(head)
  const after = groups(tail)
  const write = (list: ReadonlyArray<number>, from: number) =>
    list.forEach((group, i) => {
      bytes[from + 2 * i] = group >> 8
      bytes[from + 2 * i + 1] = group & 0xff
    })
  write(before, 0)
  write(after, 16 - 2 * after.length)
  return bytes
}

/** The one text of an address, as sockets report it: the first longest run of zero groups left out. RFC 5952 §4 */
const formatIpv6 = (bytes: Uint8Array): string => {
  const groups: Array<number> = []
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i] << 8) | bytes[i + 1])
  let from = 0
  let zeros = 1 // a run of one is written out
  for (let i = 0; i < 8; i++) {
    let run = 0
    while (groups[i + run] === 0) run++
    if (run > zeros) [from, zeros] = [i, run]
  }
  const text = (part: ReadonlyArray<number>) => part.map((group) => group.toString(16)).join(":")
  return zeros === 1 ? text(groups) : `${text(groups.slice(0, from))}::${text(groups.slice(from + zeros))}`
}
