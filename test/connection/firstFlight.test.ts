/** The first flight of a client with default options: two datagrams sent at once. */
import { describe, expect, it } from "vitest"
import { PacketHeader, parsePacketHeader } from "../../src/wire/PacketHeader.ts"
import { PacketType } from "../../src/wire/PacketType.ts"
import { CorePair, type CorePairOptions } from "./CorePair.ts"

/** The datagrams sent without further input. */
const flightOf = (options: CorePairOptions): ReadonlyArray<Uint8Array> => {
  const { client, nowMicros } = new CorePair(options)
  const buffer = new Uint8Array(2_000)
  const flight: Array<Uint8Array> = []
  for (let end = client.pollTransmit(buffer, 0, nowMicros); end > 0; ) {
    flight.push(buffer.slice(0, end))
    end = client.pollTransmit(buffer, 0, nowMicros)
  }
  return flight
}

const label = "a".repeat(61)

describe("a client's first flight", () => {
  for (const [name, options] of [
    ["by default", {}],
    // RFC 1035 §2.3.4: the longest possible name
    ["with the longest possible server name", { serverName: `${label}.${label}.${label}.${label}.local` }],
    ["with both versions", { client: { versions: ["v2", "v1"], originalVersion: "v1" } }]
  ] as const)
    it(`is two datagrams of 1200 bytes, X25519 and X25519MLKEM768 included, ${name}`, () => {
      const flight = flightOf(options)
      expect(flight.map(({ length }) => length)).toEqual([1200, 1200])
      const header = new PacketHeader()
      for (const bytes of flight) {
        expect(parsePacketHeader(bytes, 0, bytes.length, 8, header)).toBe(true)
        expect(header.type).toBe(PacketType.Initial)
      }
      expect(new CorePair(options).exchange().client.handshake.confirmed).toBe(true)
    })
})
