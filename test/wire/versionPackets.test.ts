import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { PacketHeader, parsePacketHeader } from "../../src/wire/PacketHeader.ts"
import { PacketType, Version } from "../../src/wire/PacketType.ts"
import {
  parseRetry,
  parseVersionNegotiation,
  writeRetry,
  writeVersionNegotiation
} from "../../src/wire/versionPackets.ts"
import { fromHex, toHex } from "./recordingSink.ts"

const connectionId = fc.uint8Array({ minLength: 0, maxLength: 20 })
const someByte = fc.nat(255)

const headerOf = (bytes: Uint8Array): PacketHeader => {
  const header = new PacketHeader()
  expect(parsePacketHeader(bytes, 0, bytes.length, 8, header)).toBe(true)
  return header
}

const idsOf = (bytes: Uint8Array, header: PacketHeader) => [
  toHex(bytes, header.dcidStart, header.dcidEnd),
  toHex(bytes, header.scidStart, header.scidEnd)
]

describe("a Version Negotiation packet", () => {
  // RFC 9000 §17.2.1 #1 #2
  it("survives a round trip, whatever its unused bits", () => {
    const versions = fc.array(fc.nat(0xffff_ffff), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(connectionId, connectionId, versions, someByte, (dcid, scid, offered, random) => {
        const bytes = writeVersionNegotiation(dcid, scid, offered, () => Uint8Array.of(random))
        expect(bytes[0] & 0xc0).toBe(0xc0) // RFC 9000 §17.2.1 #S1
        const header = headerOf(bytes)
        expect([header.type, header.version]).toEqual([PacketType.VersionNegotiation, 0])
        expect(idsOf(bytes, header)).toEqual([toHex(dcid), toHex(scid)])
        expect(parseVersionNegotiation(bytes, header)).toEqual(offered)
      })
    )
  })

  it("may have connection IDs above 20 bytes, and no QUIC bit", () => {
    // RFC 8999 §6: neither is an invariant
    const id = (byte: string) => `ff${byte.repeat(255)}`
    const bytes = fromHex(`8000000000${id("aa")}${id("bb")}00000001`)
    expect(parseVersionNegotiation(bytes, headerOf(bytes))).toEqual([1])
  })

  it("without a version, or with a partial one, is rejected", () => {
    for (const rest of ["", "00", "000000", "0000000100", "6b3343cf000000"]) {
      const bytes = fromHex(`80000000000000${rest}`)
      expect(parseVersionNegotiation(bytes, headerOf(bytes))).toBeUndefined()
    }
  })
})

describe("a Retry packet", () => {
  const tag = "00112233445566778899aabbccddeeff"

  it("survives a round trip, followed by its tag, in either version", () => {
    const version = fc.constantFrom(Version.v1, Version.v2)
    const token = fc.uint8Array({ minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(
        version,
        connectionId,
        connectionId,
        token,
        someByte,
        (version, dcid, scid, token, random) => {
          const written = writeRetry(version, dcid, scid, token, () => Uint8Array.of(random))
          const bytes = fromHex(toHex(written) + tag)
          const header = headerOf(bytes)
          expect([header.type, header.version]).toEqual([PacketType.Retry, version])
          expect(idsOf(bytes, header)).toEqual([toHex(dcid), toHex(scid)])
          expect(toHex(parseRetry(bytes, header)!.token)).toBe(toHex(token))
          expect(toHex(bytes, header.tokenEnd, header.end)).toBe(tag)
        }
      )
    )
  })

  it("yields a token that outlives the datagram's buffer", () => {
    const bytes = fromHex(`f0000000010000abcd${tag}`)
    const { token } = parseRetry(bytes, headerOf(bytes))!
    bytes.fill(0)
    expect(toHex(token)).toBe("abcd")
  })

  it("without a token, or without room for the tag, is rejected", () => {
    // RFC 9000 §17.2.5.2 #4: a zero-length token discards the packet
    for (const rest of [tag, tag.slice(2), "aa", ""]) {
      const bytes = fromHex(`f0000000010000${rest}`)
      expect(parseRetry(bytes, headerOf(bytes))).toBeUndefined()
    }
  })

  it("extends to the end of its datagram", () => {
    const bytes = fromHex(`f0000000010000abcd${tag}`)
    expect(headerOf(bytes).end).toBe(bytes.length)
  })
})
