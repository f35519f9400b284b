import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { ByteWriter } from "../../src/wire/ByteWriter.ts"
import {
  isSupportedVersion,
  PacketHeader,
  parsePacketHeader,
  writeLongHeader,
  writeShortHeader
} from "../../src/wire/PacketHeader.ts"
import { PacketType, Version } from "../../src/wire/PacketType.ts"
import { fromHex, toHex } from "./recordingSink.ts"

const connectionId = fc.uint8Array({ minLength: 0, maxLength: 20 })

interface LongPacket {
  readonly type: PacketType
  readonly version: Version
  readonly dcid: Uint8Array
  readonly scid: Uint8Array
  readonly token: Uint8Array
  readonly pnLength: number
  readonly payload: Uint8Array
}

const longPacket: fc.Arbitrary<LongPacket> = fc.record({
  type: fc.constantFrom(PacketType.Initial, PacketType.ZeroRtt, PacketType.Handshake),
  version: fc.constantFrom(Version.v1, Version.v2),
  dcid: connectionId,
  scid: connectionId,
  token: fc.uint8Array({ maxLength: 100 }),
  pnLength: fc.integer({ min: 1, max: 4 }),
  payload: fc.uint8Array({ maxLength: 100 })
})

/** Writes a packet as the datagram builder does, filling in Length last. */
const writePacket = (w: ByteWriter, packet: LongPacket): void => {
  const { type, version, dcid, scid, token, pnLength, payload } = packet
  const lengthOffset = writeLongHeader(w, type, version, dcid, scid, token, pnLength)
  w.fill(0xee, pnLength)
  w.copy(payload)
  new ByteWriter(w.bytes, lengthOffset).u16(0x4000 | (w.offset - lengthOffset - 2))
}

const field = (bytes: Uint8Array, start: number, end: number) => toHex(bytes, start, end)

describe("a long header", () => {
  it("survives a round trip, in either version, among coalesced packets", () => {
    fc.assert(
      fc.property(fc.array(longPacket, { minLength: 1, maxLength: 5 }), (packets) => {
        const w = new ByteWriter(new Uint8Array(2000))
        for (const packet of packets) writePacket(w, packet)
        const header = new PacketHeader() // reused, as in a receiver
        let offset = 0
        for (const packet of packets) {
          expect(parsePacketHeader(w.bytes, offset, w.offset, 8, header)).toBe(true)
          expect([header.type, header.version]).toEqual([packet.type, packet.version])
          expect(field(w.bytes, header.dcidStart, header.dcidEnd)).toBe(toHex(packet.dcid))
          expect(field(w.bytes, header.scidStart, header.scidEnd)).toBe(toHex(packet.scid))
          expect(field(w.bytes, header.tokenStart, header.tokenEnd)).toBe(
            packet.type === PacketType.Initial ? toHex(packet.token) : ""
          )
          expect((header.firstByte & 3) + 1).toBe(packet.pnLength)
          const payload = header.packetNumberOffset + packet.pnLength
          expect(field(w.bytes, payload, header.end)).toBe(toHex(packet.payload))
          offset = header.end
        }
        expect(offset).toBe(w.offset)
      })
    )
  })

  it("has the type bits of its version", () => {
    const types = [PacketType.Initial, PacketType.ZeroRtt, PacketType.Handshake]
    const firstBytes = (version: Version) =>
      types.map((type) => {
        const w = new ByteWriter(new Uint8Array(20))
        writeLongHeader(w, type, version, new Uint8Array(0), new Uint8Array(0), undefined, 1)
        return w.bytes[0]
      })
    expect(firstBytes(Version.v1)).toEqual([0xc0, 0xd0, 0xe0]) // RFC 9000 §17.2
    expect(firstBytes(Version.v2)).toEqual([0xd0, 0xe0, 0xf0]) // RFC 9369 §3.2
  })

  const parse = (hex: string, greased = false) => {
    const bytes = fromHex(hex)
    const header = new PacketHeader()
    return parsePacketHeader(bytes, 0, bytes.length, 8, header, greased) ? header : undefined
  }

  it("is not a packet when truncated at any byte", () => {
    const whole = "c3000000010211220233440355667705aabbccddee"
    expect(parse(whole)).toMatchObject({ end: 21, tokenStart: 12, tokenEnd: 15 })
    for (let cut = 0; cut < whole.length; cut += 2)
      expect([cut, parse(whole.slice(0, cut))]).toEqual([cut, undefined])
  })

  it("is not a packet when a length field exceeds the datagram", () => {
    expect(parse("e000000001ff0000")).toBeUndefined() // DCID
    expect(parse("e00000000100ff00")).toBeUndefined() // SCID
    expect(parse("c0000000010000" + "ffffffffffffffff" + "00")).toBeUndefined() // token
    expect(parse("e0000000010000" + "02aa")).toBeUndefined() // the packet itself
    expect(parse("e0000000010000" + "ffffffffffffffff" + "aa")).toBeUndefined()
  })

  // RFC 9000 §17.2 #3 #5
  it("is not a packet with a connection ID above 20 bytes, in supported versions", () => {
    const id = (length: number) => length.toString(16).padStart(2, "0") + "aa".repeat(length)
    expect(parse(`e000000001${id(20)}${id(20)}0101`)).toBeDefined()
    expect(parse(`e000000001${id(21)}0001`)).toBeUndefined()
    expect(parse(`e00000000100${id(21)}0101`)).toBeUndefined()
    expect(parse(`e06b3343cf${id(21)}0001`)).toBeUndefined()
  })

  // RFC 9000 §17.2.1 #5
  it("is parsed as far as RFC 8999 goes in an unknown version", () => {
    const header = parse(`8a1a2a3a4a15${"aa".repeat(21)}ff${"bb".repeat(255)}0102`)!
    expect(isSupportedVersion(header.version)).toBe(false)
    expect(header).toMatchObject({
      version: 0x1a2a3a4a,
      dcidStart: 6,
      dcidEnd: 27,
      scidStart: 28,
      scidEnd: 283
    })
    expect(header.end).toBe(285)
  })

  it("requires the QUIC bit unless greasing was negotiated", () => {
    // RFC 9000 §17.2 #1, RFC 9287 §3
    expect(parse("a000000001000001ee")).toBeUndefined()
    expect(parse("a000000001000001ee", true)).toMatchObject({ type: PacketType.Handshake })
  })

  it("supports only versions 1 and 2", () => {
    expect([1, 0x6b3343cf, 0, 2, 0xff00001d, 0x1a2a3a4a].map(isSupportedVersion)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false
    ])
  })
})

describe("a short header", () => {
  it("survives a round trip, to the end of the datagram", () => {
    fc.assert(
      fc.property(
        connectionId,
        fc.boolean(),
        fc.constantFrom<0 | 1>(0, 1),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(30),
        (dcid, spin, keyPhase, pnLength, rest) => {
          const w = new ByteWriter(new Uint8Array(100), 5)
          writeShortHeader(w, dcid, spin, keyPhase, pnLength)
          const header = new PacketHeader()
          const end = w.offset + rest
          expect(parsePacketHeader(w.bytes, 5, end, dcid.length, header)).toBe(true)
          expect(header).toMatchObject({ type: PacketType.OneRtt, packetNumberOffset: w.offset, end })
          expect(field(w.bytes, header.dcidStart, header.dcidEnd)).toBe(toHex(dcid))
          const first = header.firstByte
          expect([
            first & 0xc0,
            (first & 0x20) !== 0,
            (first >> 2) & 1,
            (first & 3) + 1,
            first & 0x18
          ]).toEqual([
            0x40,
            spin,
            keyPhase,
            pnLength,
            0 // RFC 9000 §17.3.1: reserved bits
          ])
        }
      )
    )
  })

  it("keeps nothing of the long header parsed before it", () => {
    const header = new PacketHeader()
    const long = fromHex("c3000000010211220233440355667705aabbccddee")
    parsePacketHeader(long, 0, long.length, 8, header)
    const short = fromHex("40aabbccdd")
    expect(parsePacketHeader(short, 0, 5, 4, header)).toBe(true)
    expect(header).toEqual(
      Object.assign(new PacketHeader(), {
        type: PacketType.OneRtt,
        firstByte: 0x40,
        dcidStart: 1,
        dcidEnd: 5,
        scidStart: 5,
        scidEnd: 5,
        packetNumberOffset: 5,
        end: 5
      })
    )
  })

  // RFC 9000 §17.3.1 #1
  it("is not a packet without its connection ID or the QUIC bit", () => {
    const header = new PacketHeader()
    const parse = (hex: string, greased = false) =>
      parsePacketHeader(fromHex(hex), 0, hex.length / 2, 4, header, greased)
    expect([parse(""), parse("40aabbcc"), parse("00aabbccdd"), parse("00aabbccdd", true)]).toEqual([
      false,
      false,
      false,
      true
    ])
  })
})
