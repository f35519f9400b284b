/** A client's behaviour between a Retry and the server's first Initial. RFC 9000 §17.2.5 */
import { describe, expect, it } from "vitest"
import { initialKeys } from "../../src/protect/initialKeys.ts"
import { FrameDecoder } from "../../src/wire/FrameDecoder.ts"
import { FrameExtension } from "../../src/wire/FrameType.ts"
import { PacketHeader, parsePacketHeader } from "../../src/wire/PacketHeader.ts"
import { Level, Version } from "../../src/wire/PacketType.ts"
import { Duel } from "./Duel.ts"
import { FrameLog } from "./FrameLog.ts"
import { suite } from "../io.ts"

/** Decrypts a client's Initial. */
const openInitial = (datagram: Uint8Array) => {
  const bytes = datagram.slice()
  const header = new PacketHeader()
  expect(parsePacketHeader(bytes, 0, bytes.length, 8, header)).toBe(true)
  const destination = bytes.slice(header.dcidStart, header.dcidEnd)
  const source = bytes.slice(header.scidStart, header.scidEnd)
  const token = bytes.slice(header.tokenStart, header.tokenEnd)
  const { client } = initialKeys(suite, Version.v1, destination)
  const length = client.unmask(bytes, 0, header.packetNumberOffset, header.end)
  let packetNumber = 0
  for (let i = 0; i < length; i++) packetNumber = packetNumber * 256 + bytes[header.packetNumberOffset + i]
  expect(client.open(bytes, 0, header.packetNumberOffset, length, header.end, packetNumber, 0)).toBe(true)
  const seen = new FrameLog()
  const start = header.packetNumberOffset + length
  expect(
    new FrameDecoder("either", FrameExtension.none).decode(bytes, start, header.end - 16, Level.Initial, seen)
  ).toBeUndefined()
  const crypto = seen
    .named("onCrypto")
    .map(({ values, bytes }) => ({ offset: values[0] as number, data: bytes! }))
  return { destination, source, token, packetNumber, crypto }
}

/** The client's flights before and after a Retry, and the Retry. */
const retried = () => {
  const flights: Array<Uint8Array> = []
  const duel = new Duel({ victim: "client", puppet: { retry: true } })
  duel.receive = (datagram) => {
    flights.push(datagram)
    duel.puppet.receive(datagram)
  }
  duel.drainVictim()
  const retry = duel.puppet.outbox[0]
  const first = flights.splice(0).map(openInitial)
  duel.deliver()
  duel.puppet.outbox.length = 0
  duel.drainVictim()
  return { duel, retry, first, second: flights.map(openInitial) }
}

/** The CRYPTO data of a flight. */
const helloOf = (flight: ReadonlyArray<ReturnType<typeof openInitial>>): Array<number> => {
  const hello: Array<number> = []
  for (const { crypto } of flight)
    for (const { offset, data } of crypto) for (let i = 0; i < data.length; i++) hello[offset + i] = data[i]
  return hello
}

describe("a client that follows a Retry", () => {
  it("uses the server's new ID and its token, RFC 9000 §17.2.5.1 #3", () => {
    const { retry, first, second } = retried()
    const header = new PacketHeader()
    parsePacketHeader(retry, 0, retry.length, 8, header)
    for (const { destination, token } of second) {
      expect(destination).toEqual(retry.slice(header.scidStart, header.scidEnd))
      expect(token).toEqual(retry.slice(header.tokenStart, header.tokenEnd))
    }
    expect(first[0].token.length).toBe(0)
  })

  it("keeps its own ID, RFC 9000 §17.2.5.2 #5", () => {
    const { first, second } = retried()
    for (const { source } of second) expect(source).toEqual(first[0].source)
  })

  it("sends the same ClientHello, in packets with new numbers, RFC 9000 §17.2.5.3 #1 #2", () => {
    const { first, second } = retried()
    expect(helloOf(first).length).toBeGreaterThan(1000)
    expect(helloOf(second)).toEqual(helloOf(first))
    const numbers = [...first, ...second].map(({ packetNumber }) => packetNumber)
    expect(numbers).toEqual(numbers.map((_, i) => i))
  })

  it("ignores its unused bits, RFC 9000 §17.2.5", () => {
    const seen = new Set<number>()
    for (let i = 0; i < 12; i++) {
      const duel = new Duel({ victim: "client", puppet: { retry: true }, seed: `retry ${i}` })
      duel.drainVictim()
      seen.add(duel.puppet.outbox[0][0] & 0x0f)
      duel.exchange()
      expect(duel.connection.lifecycle.state).toBe("established")
    }
    expect(seen.size).toBeGreaterThan(3)
  })
})
