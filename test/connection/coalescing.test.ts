/** Coalesced packets, and packet numbers. RFC 9000 §12 */
import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { HandshakeType } from "../../src/handshake/messages.ts"
import { writePing } from "../../src/wire/frameWriters.ts"
import { PacketHeader, parsePacketHeader } from "../../src/wire/PacketHeader.ts"
import { Level, PacketType, Space } from "../../src/wire/PacketType.ts"
import { CorePair } from "./CorePair.ts"
import { Duel } from "./Duel.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

const joined = (...packets: ReadonlyArray<Uint8Array>): Uint8Array => Uint8Array.from(Buffer.concat(packets))

/** Both sides have Handshake keys, and the puppet's Finished is missing. */
const midHandshake = (victim: Role): Duel =>
  new Duel({
    victim,
    puppet: { tamper: (message) => (message[0] === HandshakeType.finished ? undefined : message) }
  }).exchange()

const acknowledged = (duel: Duel, level: Level): number =>
  Math.max(
    -1,
    ...duel.puppet.seen
      .named("onAck")
      .filter((ack) => ack.level === level)
      .map(({ values }) => values[0] as number)
  )

const typesIn = (datagram: Uint8Array): Array<PacketType> => {
  const header = new PacketHeader()
  const types: Array<PacketType> = []
  for (let at = 0; parsePacketHeader(datagram, at, datagram.length, 8, header, true); at = header.end)
    types.push(header.type)
  return types
}

for (const victim of roles)
  describe(`a ${victim} that receives coalesced packets`, () => {
    it("processes each as if it had arrived alone, RFC 9000 §12.2 #1 #3", () => {
      const duel = midHandshake(victim)
      const { puppet } = duel
      const first = puppet.nextPacketNumber[Space.Handshake]
      duel.inject(
        joined(puppet.packet(Level.Handshake, writePing), puppet.packet(Level.Handshake, writePing))
      )
      const covered = puppet.seen.named("onAck").filter(({ level }) => level === Level.Handshake)
      expect(covered.at(-1)?.values[0]).toBe(first + 1)
      expect(duel.connection.path.received[Space.Handshake].isDuplicate(first)).toBe(true)
    })

    it("processes those behind one that it cannot decrypt, RFC 9000 §12.2 #4", () => {
      const duel = midHandshake(victim)
      const { puppet } = duel
      const spoilt = puppet.packet(Level.Handshake, writePing, { size: 60 })
      spoilt[spoilt.length - 1] ^= 1
      duel.inject(joined(spoilt, puppet.packet(Level.Handshake, writePing)))
      expect(acknowledged(duel, Level.Handshake)).toBe(puppet.nextPacketNumber[Space.Handshake] - 1)
    })
  })

for (const victim of roles)
  it(`a ${victim} ignores packets with a connection ID other than the datagram's first, RFC 9000 §12.2 #S2`, () => {
    const duel = new Duel({ victim }).shakeHands()
    const { puppet, connection } = duel
    const other = puppet.seen.named("onNewConnectionId")[0].bytes!.slice(0, 8)
    // the first has a length field, and need not be authentic
    const first = puppet.packet(Level.Initial, writePing, { keys: puppet.write[Level.OneRtt]! })
    const received = () => connection.receiver.counters.received
    const before = received()
    duel.inject(joined(first, puppet.packet(Level.OneRtt, writePing, { destination: other })))
    expect(received()).toBe(before)
    duel.inject(joined(first, puppet.packet(Level.OneRtt, writePing)))
    expect(received()).toBe(before + 1)
    duel.inject(puppet.packet(Level.OneRtt, writePing, { destination: other }))
    expect(received()).toBe(before + 2)
  })

describe("the packets of a connection", () => {
  it("share datagrams while the handshake lasts, RFC 9000 §12.2 #1, RFC 9001 §4 #S1", () => {
    const pair = new CorePair().exchange()
    expect(pair.client.handshake.confirmed).toBe(true)
    const flights = pair.datagrams.map(({ bytes }) => typesIn(bytes))
    expect(flights.some((types) => types.includes(PacketType.Initial) && types.length > 1)).toBe(true)
  })

  it("have increasing numbers, RFC 9000 §12.3 #1 #2", () => {
    for (const victim of roles) {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      const before = puppet.seen.frames.length
      for (let i = 0; i < 100; i++) {
        connection.ping()
        duel.exchange()
        if (i % 5 === 0) duel.inject(puppet.packet(Level.OneRtt, puppet.ackAll(Level.OneRtt)))
      }
      const numbers = puppet.seen.frames.slice(before).map(({ packetNumber }) => packetNumber)
      expect(new Set(numbers).size).toBeGreaterThan(90)
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b))
    }
  })
})
