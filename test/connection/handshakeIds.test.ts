/** Which connection IDs handshake packets are sent to, and which are accepted. RFC 9000 §7.2 */
import { writeCrypto } from "../wire/writeCrypto.ts"
import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { initialKeys } from "../../src/protect/initialKeys.ts"
import { writePing } from "../../src/wire/frameWriters.ts"
import { PacketHeader, parsePacketHeader } from "../../src/wire/PacketHeader.ts"
import { Level, Version } from "../../src/wire/PacketType.ts"
import { reasonOf } from "../../src/actor/closeReasons.ts"
import type { ConnectionObserver } from "../../src/connection/Connection.ts"
import { Duel, puppetAddress } from "./Duel.ts"
import { suite } from "../io.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** Destination IDs of the packets in a datagram. */
const destinations = (datagram: Uint8Array): Array<string> => {
  const header = new PacketHeader()
  const found: Array<string> = []
  for (let at = 0; parsePacketHeader(datagram, at, datagram.length, 8, header); at = header.end)
    found.push(hex(datagram.subarray(header.dcidStart, header.dcidEnd)))
  return found
}

/** Records where everything is sent; with `silent`, the puppet receives none of it. */
const watched = (duel: Duel, silent = false): Array<string> => {
  const seen: Array<string> = []
  const { receive } = duel
  duel.receive = (datagram) => {
    seen.push(...destinations(datagram))
    if (!silent) receive.call(duel, datagram)
  }
  return seen
}

/** Records what a connection does with incoming packets. */
const recording = (observed: Array<string>): ConnectionObserver => ({
  packetSent: () => {},
  packetReceived: () => observed.push("received"),
  packetDropped: (_type, _bytes, reason, why) => observed.push(`dropped: ${reason}, ${why}`),
  packetLost: () => {},
  traversed: () => {},
  traced: () => undefined,
  stepped: () => {}
})

/** The numbers of Initial packets the victim has acknowledged. */
const acknowledged = ({ puppet }: Duel): ReadonlyArray<unknown> =>
  puppet.seen
    .named("onAck")
    .filter(({ level }) => level === Level.Initial)
    .map(({ values }) => values[0])

describe("a client", () => {
  // RFC 9000 §7.2 #1 #2
  it("sends every Initial to one ID of 8 bytes or more until the server has answered", () => {
    const duel = new Duel({ victim: "client", transport: { handshakeTimeout: 60_000 } })
    const seen = watched(duel, true)
    duel.exchange().advance(10_000_000)
    expect(seen.length).toBeGreaterThan(4)
    expect(new Set(seen).size).toBe(1)
    expect(seen[0].length).toBeGreaterThanOrEqual(2 * 8)
  })

  // RFC 9000 §7.2 #4
  it("sends to the ID of a Retry, then to that of the server's first Initial, and to no third", () => {
    for (const retry of [false, true]) {
      const duel = new Duel({ victim: "client", puppet: { retry } })
      const seen = watched(duel)
      duel.drainVictim()
      const { puppet } = duel
      if (retry) {
        duel.deliver()
        duel.drainVictim()
      }
      const [first, ...more] = puppet.outbox.splice(0)
      duel.inject(first)
      const source = new Uint8Array(8).fill(0xee)
      duel.inject(puppet.packet(Level.Initial, writePing, { size: 1200, source }))
      for (const datagram of more) duel.inject(datagram)
      expect(duel.connection.lifecycle.state).toBe("established")
      const { originalDestination, retrySource } = puppet
      const expected = [originalDestination, ...(retry ? [retrySource!] : []), puppet.source]
      expect([...new Set(seen)]).toEqual(expected.map(hex))
    }
  })

  // RFC 9000 §7.2 #3 #6
  it("discards packets with a Source Connection ID other than the first Initial's, in Handshake packets too", () => {
    const duel = new Duel({ victim: "client" })
    const { puppet } = duel
    duel.drainVictim()
    const held = puppet.outbox.splice(0)
    while (duel.connection.keys.read[Level.Handshake] === undefined) duel.inject(held.shift()!)
    const before = duel.connection.receiver.counters.received
    const source = new Uint8Array(8).fill(0xee)
    const number = puppet.nextPacketNumber[0]
    duel.inject(puppet.packet(Level.Initial, writePing, { size: 1200, source }))
    // authentic but discarded: at this level the frame would be a violation
    duel.inject(puppet.packet(Level.Handshake, Uint8Array.of(0x1e), { source }))
    expect(duel.connection.receiver.counters.received).toBe(before)
    expect(acknowledged(duel)).not.toContain(number)
    expect(duel.connection.closeReason).toBeUndefined()
    for (const datagram of held) duel.inject(datagram)
    expect(duel.connection.lifecycle.state).toBe("established")
  })

  for (const from of ["the second Initial", "the first Handshake packet"])
    it(`fails well before its timeout, with the reason, when a server changes its ID from ${from} on`, () => {
      const observed: Array<string> = []
      const duel = new Duel({ victim: "client", observe: () => recording(observed) })
      const { puppet, connection } = duel
      duel.drainVictim()
      const held = puppet.outbox.splice(0)
      const isInitial = from === "the second Initial"
      duel.inject(held.shift()!)
      if (!isInitial) while (connection.keys.read[Level.Handshake] === undefined) duel.inject(held.shift()!)
      const { received, dropped } = connection.receiver.counters
      const source = new Uint8Array(8).fill(0xee)
      const level = isInitial ? Level.Initial : Level.Handshake
      observed.length = 0
      duel.inject(puppet.packet(level, writePing, { size: 1200, source }))
      expect(observed).toEqual(["dropped: invalid, from another Source Connection ID than its first"])
      expect(connection.receiver.counters).toMatchObject({ received, dropped: dropped + 1 })
      // anyone could have sent that
      expect(connection.closeReason).toBeUndefined()
      duel.advance(4_000_000)
      expect(connection.closeReason).toMatchObject({ origin: "local", code: 0x0a })
      expect(connection.closeReason?.reason).toContain("1 packet from another Source Connection ID")
    })

  it("reports what it discarded when the handshake times out", () => {
    const duel = new Duel({ victim: "client" })
    const { puppet, connection } = duel
    duel.drainVictim()
    puppet.outbox.length = 0
    for (let i = 0; i < 2; i++) {
      const packet = puppet.packet(Level.Initial, writePing, { size: 1200 })
      packet[packet.length - 1] ^= 1
      duel.inject(packet)
    }
    const stray = puppet.packet(Level.Initial, writePing, { size: 1200 })
    duel.endpoint.handleDatagram(stray, { ...puppetAddress, host: "192.0.2.9" }, 0, duel.nowMicros)
    duel.advance(30_000_000)
    expect(reasonOf(connection).message).toContain(
      "discarded packets: 2 packets sealed with other keys, 1 packet from another address than the peer's"
    )
  })

  it("does not report discarded packets once the handshake makes progress", () => {
    const duel = new Duel({ victim: "client" })
    const { puppet, connection } = duel
    duel.drainVictim()
    const held = puppet.outbox.splice(0)
    const packet = puppet.packet(Level.Initial, writePing, { size: 1200 })
    packet[packet.length - 1] ^= 1
    duel.inject(packet)
    expect(connection.receiver.discards.summary).toBe("1 packet sealed with other keys")
    for (const datagram of held) duel.inject(datagram)
    expect(connection.receiver.discards.summary).toBeUndefined()
  })

  // RFC 9000 §5.2.1 #1
  it("discards authentic packets of a version it does not use", () => {
    const duel = new Duel({ victim: "client", transport: { versions: ["v1"] } })
    const { puppet } = duel
    duel.drainVictim()
    puppet.outbox.length = 0
    const keys = initialKeys(suite, Version.v2, puppet.originalDestination).server
    const number = puppet.nextPacketNumber[0]
    duel.inject(puppet.packet(Level.Initial, writePing, { size: 1200, keys, version: Version.v2 }))
    expect(acknowledged(duel)).toEqual([])
    expect(duel.connection.receiver.counters).toMatchObject({ received: 0, dropped: 1 })
    duel.inject(puppet.packet(Level.Initial, writePing, { size: 1200 }))
    expect(acknowledged(duel)).toEqual([number + 1])
  })
})

describe("a server", () => {
  // RFC 9000 §7.2 #5 #6
  it("sends to the ID of the client's first Initial, whatever later ones carry", () => {
    const duel = new Duel({ victim: "server" })
    const seen = watched(duel)
    const { puppet } = duel
    duel.deliver()
    const number = puppet.nextPacketNumber[0]
    puppet.outbox.push(
      puppet.packet(Level.Initial, writePing, { size: 1200, source: new Uint8Array(8).fill(0xee) })
    )
    duel.shakeHands()
    expect(new Set(seen)).toEqual(new Set([hex(puppet.source)]))
    expect(acknowledged(duel)).not.toContain(number)
  })
})

// RFC 9000 §7.5 #3
for (const victim of roles)
  it(`a ${victim} acknowledges packets whose CRYPTO data it ignores`, () => {
    const duel = new Duel({ victim })
    const { puppet } = duel
    if (victim === "client") duel.drainVictim()
    puppet.outbox.length = 1
    duel.deliver()
    duel.drainVictim()
    puppet.outbox.length = 0
    const number = puppet.nextPacketNumber[0]
    // read long ago, and with different bytes
    duel.inject(
      puppet.packet(Level.Initial, (w) => writeCrypto(w, 0, new Uint8Array(20), 0, 20), { size: 1200 })
    )
    expect(acknowledged(duel)).toContain(number)
    expect(duel.connection.closeReason).toBeUndefined()
  })
