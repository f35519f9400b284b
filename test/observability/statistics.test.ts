/** What an endpoint counts: each packet once, at the place where its fate is decided. */
import { describe, expect, it } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { defaultLimits } from "../../src/admission/Limits.ts"
import { Endpoint } from "../../src/endpoint/Endpoint.ts"
import { endpointStatistics } from "../../src/endpoint/endpointStatistics.ts"
import type { EndpointStatistics } from "../../src/capability/EndpointStatistics.ts"
import { FrameType } from "../../src/wire/FrameType.ts"
import { writePathResponse, writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import { CorePair } from "../connection/CorePair.ts"
import { Duel, puppetAddress, rawIdentity, tlsSettings, transportSettings } from "../connection/Duel.ts"
import { suite } from "../io.ts"

const random = new SeededRandom("statistics")
const now = 1_000_000

/** The fields of `dropped` that changed while `work` ran, and by how much. */
const drops = (endpoint: Endpoint, work: () => void): Partial<EndpointStatistics["dropped"]> => {
  const before = endpointStatistics(endpoint).dropped
  work()
  const changes = Object.entries(endpointStatistics(endpoint).dropped).map(
    ([kind, count]) => [kind, count - before[kind as keyof typeof before]] as const
  )
  return Object.fromEntries(changes.filter(([, change]) => change !== 0))
}

const established = (): CorePair => new CorePair().exchange()

const makeServer = (retry: "always" | "never" = "never"): Endpoint =>
  new Endpoint({
    suite,
    random: random.bytes,
    connectionIdBytes: 8,
    limits: { ...defaultLimits, retriesPerSecond: 8, versionNegotiationsPerSecond: 8 },
    server: { tls: tlsSettings(rawIdentity(random)), transport: transportSettings(), retry }
  })

/** A long header with IDs of 8 bytes, followed by noise. */
const longHeader = (firstByte: number, version: number, size = 1200, idBytes = 8): Uint8Array => {
  const bytes = random.bytes(size)
  const ids = [idBytes, ...random.bytes(idBytes), 8, ...random.bytes(8)]
  const length = size - 5 - ids.length - 3
  bytes.set([firstByte, 0, 0, 0, version, ...ids, 0, 0x40 | (length >> 8), length & 0xff])
  return bytes
}

const initial = (version = 1, size = 1200, idBytes = 8): Uint8Array =>
  longHeader(0xc3, version, size, idBytes)

describe("B8 an endpoint's statistics count", () => {
  it("what two endpoints exchange, the same on both sides", () => {
    const pair = established()
    const client = endpointStatistics(pair.ends.client)
    const server = endpointStatistics(pair.ends.server)
    expect(client.packetsReceived).toBeGreaterThan(3)
    expect(client.datagramsReceived).toBe(server.datagramsSent)
    expect(client.datagramsSent).toBe(server.datagramsReceived)
    expect(client.bytesReceived).toBe(server.bytesSent)
    expect(client.bytesSent).toBe(server.bytesReceived)
    for (const { handshakes, connectionsActive, dropped } of [client, server]) {
      expect(handshakes).toEqual({ inFlight: 0, completed: 1, failed: 0 })
      expect(connectionsActive).toBe(1)
      expect(Object.values(dropped)).toEqual([0, 0, 0, 0, 0, 0, 0])
    }
  })

  it("packets without a connection once each, by why they had no effect", () => {
    const server = makeServer()
    const hear = (bytes: Uint8Array) =>
      drops(server, () => server.handleDatagram(bytes, puppetAddress, 0, now))
    expect(hear(Uint8Array.of(0x80))).toEqual({ malformed: 1 })
    expect(hear(initial(1, 1199))).toEqual({ malformed: 1 })
    expect(hear(initial(1, 1200, 7))).toEqual({ malformed: 1 })
    expect(hear(initial())).toEqual({ unauthentic: 1 })
    expect(hear(Uint8Array.of(0x41, ...random.bytes(59)))).toEqual({ unknownConnection: 1 })
    expect(hear(longHeader(0xe3, 1))).toEqual({ unknownConnection: 1 })
    server.incoming!.accepting = false
    expect(hear(initial())).toEqual({ unknownConnection: 1 })
    expect(endpointStatistics(server).datagramsReceived).toBe(7)
  })

  it("Initials to an endpoint that only connects", () => {
    const { client } = established().ends
    const hear = () => client.handleDatagram(initial(), puppetAddress, 0, now)
    expect(drops(client, hear)).toEqual({ unknownConnection: 1 })
  })

  it("stateless replies by kind with their bytes, and what their limits leave unanswered", () => {
    for (const [kind, datagram] of [
      ["retry", () => initial()],
      ["versionNegotiation", () => initial(0x1a)],
      ["statelessReset", () => Uint8Array.of(0x41, ...random.bytes(59))]
    ] as const) {
      const server = makeServer("always")
      const dropped = drops(server, () => {
        server.handleDatagram(datagram(), puppetAddress, 0, now)
        if (kind !== "statelessReset") server.handleDatagram(datagram(), puppetAddress, 0, now)
      })
      const { statelessReplies, datagramsSent, bytesSent } = endpointStatistics(server)
      expect(dropped).toEqual(kind === "statelessReset" ? { unknownConnection: 1 } : { rateLimited: 1 })
      expect(statelessReplies[kind]).toBe(1)
      expect(Object.values(statelessReplies).reduce((sum, count) => sum + count)).toBe(1)
      expect([datagramsSent, bytesSent]).toEqual([1, server.pollReply()!.bytes.length])
      expect(server.pollReply()).toBeUndefined()
    }
  })

  it("a refusal once, although a connection may have written it", () => {
    for (const isFull of [true, false]) {
      // a ClientHello that fits into one datagram
      const puppet = { alpn: [isFull ? "test" : "unknown"], groups: [0x001d] } as const
      const duel = new Duel({ victim: "server", puppet })
      duel.endpoint.incoming!.isFull = isFull
      duel.exchange()
      const statistics = endpointStatistics(duel.endpoint)
      expect(statistics.statelessReplies.refusal).toBe(1)
      expect([statistics.datagramsSent, statistics.bytesSent]).toEqual([1, duel.sent[0]])
      expect(statistics.handshakes).toEqual({ inFlight: 0, completed: 0, failed: isFull ? 0 : 1 })
      expect(statistics.closes.localAlert).toBe(isFull ? 0 : 1)
    }
  })

  it("a connection's packets by their fate", () => {
    const pair = established()
    const { client } = pair
    const { server } = pair.ends
    client.ping()
    const seen = pair.datagrams.length
    pair.exchange()
    const ping = pair.datagrams.slice(seen).find(({ to }) => to === "server")!.bytes
    const flipped = ping.slice()
    flipped[flipped.length - 1] ^= 1
    expect(drops(server, () => pair.deliver("server", ping))).toEqual({ duplicate: 1 })
    expect(drops(server, () => pair.deliver("server", flipped))).toEqual({ unauthentic: 1 })
    expect(drops(server, () => pair.deliver("server", ping.slice(0, 12)))).toEqual({ malformed: 1 })
    const elsewhere = { host: "192.0.2.77", port: 1, family: 4 } as const
    const toClient = pair.datagrams.findLast(({ to }) => to === "client")!.bytes
    const stray = () => pair.ends.client.handleDatagram(toClient.slice(), elsewhere, 0, pair.nowMicros)
    expect(drops(pair.ends.client, stray)).toEqual({ rejected: 1 })
  })

  it("packets whose keys are gone", () => {
    const pair = established()
    const isLong = (bytes: Uint8Array) => (bytes[0] & 0x80) !== 0
    const last = pair.datagrams.findLast(({ to, bytes }) => to === "server" && isLong(bytes))!.bytes
    const { keyUnavailable } = drops(pair.ends.server, () => pair.deliver("server", last))
    expect(keyUnavailable).toBeGreaterThan(0)
  })

  it("what an established peer sends beyond its limit, and its strikes", () => {
    const limits = {
      peerPacketsPerSecond: 100,
      peerPacketsAtOnce: 20,
      strikes: { count: 0, windowMillis: 1_000 }
    }
    const duel = new Duel({ victim: "server", limits }).shakeHands().advance(1_000_000)
    const ping = () => duel.puppet.packet(Level.OneRtt, writePing)
    const flood = () => {
      for (let n = 0; n < 30; n++) duel.endpoint.handleDatagram(ping(), puppetAddress, 0, duel.nowMicros)
    }
    expect(drops(duel.endpoint, flood)).toEqual({ rateLimited: 10 })
    expect(endpointStatistics(duel.endpoint).strikes).toBe(0)
    const { strikes } = duel.connection.parts
    for (let n = 0; n < 3; n++) strikes.strike("needless", FrameType.PING)
    expect(endpointStatistics(duel.endpoint).strikes).toBe(3)
    duel.connection.abandon("enough")
    duel.endpoint.forget(duel.connection)
    expect(endpointStatistics(duel.endpoint)).toMatchObject({
      strikes: 3,
      closes: { localTransport: 1 },
      dropped: { rateLimited: 10 }
    })
  })

  it("connections that strikes have ended apart from other errors", () => {
    const limits = { strikes: { count: 2, windowMillis: 1_000 } }
    const duel = new Duel({ victim: "server", limits }).shakeHands().advance(1_000_000)
    // more than any honest peer is allowed
    for (let n = 0; n < 200; n++)
      duel.inject(duel.puppet.packet(Level.OneRtt, (w) => writePathResponse(w, new Uint8Array(8).fill(n))))
    expect(duel.puppet.seen.close?.code).toBe(TransportErrorCode.PROTOCOL_VIOLATION)
    duel.connection.abandon("enough")
    duel.endpoint.forget(duel.connection)
    expect(endpointStatistics(duel.endpoint)).toMatchObject({
      strikes: 2,
      closes: { localStrikes: 1, localTransport: 0 }
    })
  })

  it("a connection that is gone as much as one that lives", () => {
    const pair = established()
    const before = endpointStatistics(pair.ends.server)
    pair.client.close(7, "enough", pair.nowMicros)
    pair.exchange().advance(10_000_000)
    pair.ends.server.forget(pair.server!)
    pair.ends.client.forget(pair.client)
    const after = endpointStatistics(pair.ends.server)
    expect(after.packetsReceived).toBeGreaterThan(before.packetsReceived)
    expect(after.packetsSent).toBeGreaterThanOrEqual(before.packetsSent)
    expect(after.handshakes.completed).toBe(1)
    expect([before.connectionsActive, after.connectionsActive]).toEqual([1, 0])
    expect(after.closes).toMatchObject({ peerApplication: 1, localApplication: 0 })
    expect(endpointStatistics(pair.ends.client).closes).toMatchObject({ localApplication: 1 })
  })

  it("handshakes in flight, and those that failed", () => {
    const pair = new CorePair({ between: () => undefined })
    pair.exchange()
    expect(endpointStatistics(pair.ends.client).handshakes).toEqual({ inFlight: 1, completed: 0, failed: 0 })
    pair.advance(60_000_000)
    const { handshakes, closes } = endpointStatistics(pair.ends.client)
    expect(handshakes).toEqual({ inFlight: 0, completed: 0, failed: 1 })
    expect(closes.handshakeTimeout).toBe(1)
  })

  it("the memory of data behind a gap, and no longer when the gap closes", () => {
    const late: Array<Uint8Array> = []
    let isHeld = false
    const pair = new CorePair({
      between: (datagram, to) => {
        if (!isHeld || to !== "server" || late.length > 0) return datagram
        late.push(datagram.slice())
        return undefined
      }
    }).exchange()
    isHeld = true
    const id = pair.client.streams.open(true)!
    pair.client.streams.write(id, random.bytes(4_000))
    pair.exchange()
    expect(endpointStatistics(pair.ends.server).reorderBufferBytes).toBeGreaterThan(2_000)
    pair.deliver("server", late[0])
    expect(endpointStatistics(pair.ends.server).reorderBufferBytes).toBe(0)
  })
})
