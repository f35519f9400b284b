/** What is visible on the wire without keys: long headers and their versions. RFC 8999, RFC 9000 §17.2 */
import type { Role } from "../../src/wire/Role.ts"

const v2 = 0x6b3343cf

/** Long packet types in version 1's order; version 2 shifts them by one. RFC 9369 §3.2 */
const kinds = ["initial", "zeroRtt", "handshake", "retry"] as const
type Kind = (typeof kinds)[number]

export class Wire {
  /** Number of long-header packets, by type. */
  readonly count: Record<Kind | "versionNegotiation", number> = {
    initial: 0,
    zeroRtt: 0,
    handshake: 0,
    retry: 0,
    versionNegotiation: 0
  }
  /** Versions of Handshake packets: negotiated and in use. */
  readonly agreed = new Set<number>()
  /** The version of the very first packet. */
  offered: number | undefined
  /** Length of the server's connection IDs, all as long as the first. */
  private serverIdBytes = 0

  see(from: Role, datagram: Buffer): void {
    let at = 0
    // only long-header packets encode where they end
    while (at + 7 <= datagram.length && datagram[at] >= 0x80) {
      const version = datagram.readUInt32BE(at + 1)
      if (from === "client") this.offered ??= version
      if (version === 0) {
        this.count.versionNegotiation++
        return
      }
      if (from === "server") this.serverIdBytes = datagram[at + 6 + datagram[at + 5]] ?? 0
      const typeBits = (datagram[at] >> 4) & 3
      const kind = kinds[version === v2 ? (typeBits + 3) & 3 : typeBits]
      this.count[kind]++
      if (kind === "handshake") this.agreed.add(version)
      if (kind === "retry") return
      const end = endOfPacket(datagram, at, kind)
      if (end === undefined) return
      at = end
    }
  }

  /** The destination ID, in hex, of a client's short-header packet; undefined for any other packet. */
  destinationOf(datagram: Buffer): string | undefined {
    return datagram[0] < 0x80 ? datagram.toString("hex", 1, 1 + this.serverIdBytes) : undefined
  }
}

const endOfPacket = (datagram: Buffer, start: number, kind: Kind): number | undefined => {
  let at = start + 5
  for (let ids = 0; ids < 2; ids++) at += 1 + (datagram[at] ?? 0)
  if (kind === "initial") {
    const token = readVarint(datagram, at)
    if (token === undefined) return undefined
    at = token.end + token.value
  }
  const length = readVarint(datagram, at)
  return length && length.end + length.value
}

/** RFC 9000 §16 */
export const readVarint = (
  bytes: Uint8Array,
  at: number
): { readonly value: number; readonly end: number } | undefined => {
  if (at >= bytes.length) return undefined
  const length = 1 << (bytes[at] >> 6)
  if (at + length > bytes.length) return undefined
  let value = bytes[at] & 0x3f
  for (let i = 1; i < length; i++) value = value * 256 + bytes[at + i]
  return { value, end: at + length }
}
