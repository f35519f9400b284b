/**
 * Blocks of a pcapng file with UDP datagrams and the TLS secrets to decrypt them, readable by Wireshark and tshark.
 * draft-ietf-opsawg-pcapng
 */
import { parseIp } from "../wire/ipAddress.ts"
import type { SocketAddress } from "../wire/SocketAddress.ts"

const SECTION_HEADER = 0x0a0d0d0a
const INTERFACE_DESCRIPTION = 1
const ENHANCED_PACKET = 6
const DECRYPTION_SECRETS = 10
const TLS_KEY_LOG = 0x544c534b
/** Packets start with an IPv4 or IPv6 header. */
const LINKTYPE_RAW = 101

/** A block of `type` with a body written by `fill`, padded to 4 bytes and in network byte order. */
const block = (
  type: number,
  bodyBytes: number,
  fill: (body: DataView, bytes: Uint8Array) => void
): Uint8Array => {
  const padded = (bodyBytes + 3) & ~3
  const bytes = new Uint8Array(12 + padded)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, type)
  view.setUint32(4, bytes.length)
  fill(new DataView(bytes.buffer, 8, padded), bytes.subarray(8, 8 + padded))
  view.setUint32(8 + padded, bytes.length)
  return bytes
}

/** The blocks every file starts with. */
export const preamble = (): ReadonlyArray<Uint8Array> => [
  block(SECTION_HEADER, 16, (body) => {
    body.setUint32(0, 0x1a2b3c4d) // byte order
    body.setUint16(4, 1) // version 1.0
    body.setBigInt64(8, -1n) // section length: unspecified
  }),
  block(INTERFACE_DESCRIPTION, 8, (body) => {
    body.setUint16(0, LINKTYPE_RAW)
    body.setUint32(4, 0) // no limit on packet length
  })
]

/** A line of SSLKEYLOGFILE, which applies to the packets after it. */
export const secrets = (line: string): Uint8Array => {
  const text = new TextEncoder().encode(`${line}\n`)
  return block(DECRYPTION_SECRETS, 8 + text.length, (body, bytes) => {
    body.setUint32(0, TLS_KEY_LOG)
    body.setUint32(4, text.length)
    bytes.set(text, 8)
  })
}

/** The 4 or 16 bytes of an IP literal. */
const addressBytes = ({ host, family }: SocketAddress): Uint8Array =>
  parseIp(host)?.bytes ?? new Uint8Array(family === 4 ? 4 : 16)

const checksum = (view: DataView, start: number, end: number): number => {
  let sum = 0
  for (let i = start; i < end; i += 2) sum += view.getUint16(i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return ~sum & 0xffff
}

/** A datagram with synthesised IP and UDP headers; fields the system does not reveal, such as TTL, are made up. */
export const datagram = (
  from: SocketAddress,
  to: SocketAddress,
  payload: Uint8Array,
  unixMicros: number
): Uint8Array => {
  const ipBytes = to.family === 4 ? 20 : 40
  const length = ipBytes + 8 + payload.length
  return block(ENHANCED_PACKET, 20 + length, (body, bytes) => {
    body.setUint32(4, Math.floor(unixMicros / 2 ** 32))
    body.setUint32(8, unixMicros >>> 0)
    body.setUint32(12, length)
    body.setUint32(16, length)
    const source = addressBytes(from)
    const udp = 20 + ipBytes
    if (to.family === 4) {
      body.setUint8(20, 0x45)
      body.setUint16(22, length)
      body.setUint8(28, 64)
      body.setUint8(29, 17)
      bytes.set(source, 32)
      bytes.set(addressBytes(to), 36)
      body.setUint16(30, checksum(body, 20, 40))
    } else {
      body.setUint32(20, 0x60000000)
      body.setUint16(24, 8 + payload.length)
      body.setUint8(26, 17)
      body.setUint8(27, 64)
      bytes.set(source, 28)
      bytes.set(addressBytes(to), 44)
    }
    body.setUint16(udp, from.port)
    body.setUint16(udp + 2, to.port)
    body.setUint16(udp + 4, 8 + payload.length)
    bytes.set(payload, udp + 8)
  })
}
