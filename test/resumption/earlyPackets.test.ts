/** 0-RTT packets: their numbers, when they end, how they are acknowledged, and which limits must not shrink. */
import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { stillGrants } from "../../src/connection/parameters.ts"
import type { ConnectionObserver } from "../../src/connection/Connection.ts"
import { PacketHeader, parsePacketHeader } from "../../src/wire/PacketHeader.ts"
import { Level, PacketType, Space } from "../../src/wire/PacketType.ts"
import { TransportErrorCode as Code } from "../../src/wire/TransportError.ts"
import { CorePair, type CorePairOptions } from "../connection/CorePair.ts"
import { transportSettings } from "../connection/Duel.ts"

const datagrams = { maxDatagramFrameBytes: 1_000 }

const ticketFor = (server: NonNullable<CorePairOptions["server"]>) => {
  const first = new CorePair({ server, acceptEarlyData: () => true }).exchange()
  expect(first.tickets.length).toBeGreaterThan(0)
  return first.tickets[0]
}

/** A client with data to send at once, and a server that accepts it. */
const resumed = (options: CorePairOptions = {}): CorePair => {
  const server = options.server ?? datagrams
  const pair = new CorePair({
    acceptEarlyData: () => true,
    resume: ticketFor(datagrams),
    ...options,
    server
  })
  const id = pair.client.streams.open(false)
  pair.client.streams.write(id, new Uint8Array(20_000).fill(7))
  return pair
}

interface Sent {
  readonly level: Level
  readonly number: number
}

/** Records what the client sends. */
const watching = () => {
  const sent: Array<Sent> = []
  const observer: ConnectionObserver = {
    packetSent: ({ level, packetNumber }) => void sent.push({ level, number: packetNumber }),
    packetReceived: () => {},
    packetDropped: () => {},
    packetLost: () => {},
    traversed: () => {},
    traced: () => undefined,
    stepped: () => {}
  }
  const observe: NonNullable<CorePairOptions["observe"]> = (role) =>
    role === "client" ? observer : undefined
  return { sent, observe }
}

const typesTo = (pair: CorePair, to: Role): Array<PacketType> => {
  const header = new PacketHeader()
  const types: Array<PacketType> = []
  for (const each of pair.datagrams)
    if (each.to === to)
      for (let at = 0; parsePacketHeader(each.bytes, at, each.bytes.length, 8, header, true); at = header.end)
        types.push(header.type)
  return types
}

const received = (pair: CorePair): number => {
  let bytes = 0
  for (let read = pair.server!.streams.read(0, 1e6); read !== undefined; ) {
    bytes += read.length
    read = pair.server!.streams.read(0, 1e6)
  }
  return bytes
}

describe("0-RTT packets", () => {
  it("are not sent once there are 1-RTT keys, RFC 9000 §17.2.3 #2, RFC 9001 §4.9.3 #S1, §5.6 #5", () => {
    const pair = resumed().exchange()
    expect(pair.client.handshake.confirmed).toBe(true)
    const types = typesTo(pair, "server")
    expect(types).toContain(PacketType.ZeroRtt)
    expect(types.lastIndexOf(PacketType.ZeroRtt)).toBeLessThan(types.indexOf(PacketType.OneRtt))
    expect(pair.client.keys.write[Level.ZeroRtt]).toBeUndefined()
    expect(received(pair)).toBe(20_000)
  })

  it("are acknowledged in 1-RTT: a server sends none of them, RFC 9000 §13.2.6 #3, RFC 9001 §5.6 #3", () => {
    const pair = resumed().exchange()
    expect(typesTo(pair, "client")).not.toContain(PacketType.ZeroRtt)
    expect(pair.client.path.recovery.counters.packetsLost).toBe(0)
    expect(pair.client.streams.hasUndelivered).toBe(false)
  })

  // RFC 9000 §17.2.3 #S1
  it("have new numbers after a Retry, RFC 9000 §17.2.3 #1", () => {
    const { sent, observe } = watching()
    const pair = resumed({ observe, retry: "always" }).exchange()
    expect(typesTo(pair, "client")).toContain(PacketType.Retry)
    const numbers = sent.filter(({ level }) => level >= Level.ZeroRtt && level !== Level.Handshake)
    const early = numbers.filter(({ level }) => level === Level.ZeroRtt)
    // data sent with the first Initial is sent again
    expect(early.length).toBeGreaterThan(10)
    expect(new Set(numbers.map(({ number }) => number)).size).toBe(numbers.length)
    expect(received(pair)).toBe(20_000)
  })

  it("are accepted for three PTOs after the handshake, and no longer, RFC 9001 §4.9.3 #1 #S2", () => {
    const pair = resumed().exchange()
    const { keys, path } = pair.server!
    const since = pair.nowMicros
    const threePtos = 3 * path.recovery.ptoMicros()
    while (keys.read[Level.ZeroRtt] !== undefined && pair.nowMicros < since + 10_000_000) {
      pair.advance(1_000)
      pair.client.ping()
      pair.exchange()
    }
    expect(Math.abs(pair.nowMicros - since - threePtos)).toBeLessThanOrEqual(1_000)
  })

  it("that were rejected are not retransmitted, and not acknowledged, RFC 9001 §4.6.2 #S1, §5.6 #S1", () => {
    const pair = resumed({ acceptEarlyData: () => false }).exchange()
    expect(pair.client.handshake.facts?.earlyData).toBe("rejected")
    const types = typesTo(pair, "server")
    expect(types).toContain(PacketType.ZeroRtt)
    expect(types.lastIndexOf(PacketType.ZeroRtt)).toBeLessThan(types.indexOf(PacketType.Handshake))
    expect(received(pair)).toBe(20_000)
    // makes the server believe it has received packet 0
    pair.server!.path.received[Space.Application].onReceived(0, true, pair.nowMicros)
    pair.client.ping()
    pair.exchange().advance(50_000)
    expect(pair.client.closeReason).toMatchObject({ origin: "local", code: Code.PROTOCOL_VIOLATION })
  })
})

describe("the remembered max_datagram_frame_size of a server", () => {
  it("applies to 0-RTT, RFC 9221 §3 #1", () => {
    expect(resumed().client.datagrams.peerMaxFrameBytes).toBe(1_000)
    expect(new CorePair().client.datagrams.peerMaxFrameBytes).toBe(0)
  })

  it("must not have shrunk where a server accepts 0-RTT, RFC 9221 §3 #5", () => {
    const { transportParameters } = ticketFor(datagrams)
    expect(stillGrants(transportParameters, transportSettings(datagrams))).toBe(true)
    expect(stillGrants(transportParameters, transportSettings({ maxDatagramFrameBytes: 1_001 }))).toBe(true)
    expect(stillGrants(transportParameters, transportSettings({ maxDatagramFrameBytes: 999 }))).toBe(false)
  })

  it("closes with PROTOCOL_VIOLATION if a server accepts 0-RTT and lowers it, RFC 9221 §3 #6", () => {
    const honest = resumed({ server: { maxDatagramFrameBytes: 1_001 } }).exchange()
    expect(honest.client.closeReason).toBeUndefined()
    const liar = resumed({ server: { maxDatagramFrameBytes: 999 } }).exchange()
    expect(liar.client.closeReason).toMatchObject({ origin: "local", code: Code.PROTOCOL_VIOLATION })
  })
})
