import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { writePing, writeStreamHeader } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { Duel } from "./Duel.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

/** Sends two PINGs, since the ACK of a single ack-eliciting packet may be delayed. */
const expectAlive = (duel: Duel): void => {
  const { puppet } = duel
  const acknowledged = puppet.seen.named("onAck").length
  duel.inject(puppet.packet(Level.OneRtt, writePing)).inject(puppet.packet(Level.OneRtt, writePing))
  expect(puppet.seen.named("onAck").length).toBeGreaterThan(acknowledged)
  expect(duel.connection.lifecycle.state).toBe("established")
  expect(puppet.seen.close).toBeUndefined()
}

/** What an attacker on the path, without keys, may send. */
const forgeries = (duel: Duel, random: SeededRandom): ReadonlyArray<Uint8Array> => {
  const { puppet } = duel
  const genuine = puppet.packet(Level.OneRtt, writePing, { size: 60 })
  const noise = (length: number, first: number): Uint8Array => {
    const bytes = random.bytes(length)
    bytes[0] = first
    bytes.set(puppet.destination, 1)
    return bytes
  }
  const flipped = Array.from({ length: 30 }, () => {
    const copy = genuine.slice()
    // spares the connection ID: with another one the packet would not be for this connection
    const at = random.below(copy.length - 9)
    copy[at === 0 ? 0 : at + 8] ^= at === 0 ? 1 << random.below(6) : 1 << random.below(8)
    return copy
  })
  const long = (type: number): Uint8Array => {
    const bytes = random.bytes(1200)
    bytes.set([0xc0 | (type << 4), 0, 0, 0, 1, 8], 0)
    bytes.set(puppet.destination, 6)
    bytes.set([8], 14)
    bytes.set(puppet.source, 15)
    bytes.set([0, 0x44, 0x00], 23)
    return bytes
  }
  return [
    ...flipped,
    ...[0, 1, 20, 21, 22, 30, 41, 100, 1200, 1500].map((length) => noise(Math.max(9, length), 0x40)),
    ...[0, 1, 2, 3].map(long),
    genuine.subarray(0, 20),
    Uint8Array.of(),
    Uint8Array.of(0x40),
    random.bytes(1200)
  ]
}

for (const victim of roles)
  describe(`a ${victim}`, () => {
    // RFC 9000 §11 #1
    it("ignores forged packets and lives on", () => {
      const random = new SeededRandom("garbage")
      const duel = new Duel({ victim }).shakeHands().advance(100_000)
      for (const datagram of forgeries(duel, random)) {
        const sent = duel.sent.length
        duel.inject(datagram).advance(30_000)
        // with a flipped first byte the endpoint may see an unknown connection and answer with a stateless reset
        expect(duel.connection.closeReason).toBeUndefined()
        expect(duel.sent.length, Buffer.from(datagram.subarray(0, 16)).toString("hex")).toBe(sent)
      }
      expectAlive(duel)
    })

    it("ignores forged packets in the handshake, and completes it", () => {
      const random = new SeededRandom("early garbage")
      const duel = new Duel({ victim })
      if (victim === "client") duel.drainVictim()
      else {
        duel.deliver()
        duel.drainVictim()
      }
      const honest = duel.puppet.outbox.splice(0)
      for (let i = 0; i < 50; i++) {
        const copy = honest[i % honest.length].slice()
        copy[16 + random.below(copy.length - 16)] ^= 1 << random.below(8)
        const answered = duel.sent.length
        duel.puppet.outbox.push(copy)
        duel.deliver()
        duel.drainVictim()
        expect(duel.connection.closeReason).toBeUndefined()
        // of two coalesced packets, one may still be authentic
        expect(duel.sent.length - answered).toBeLessThanOrEqual(2)
      }
      duel.puppet.outbox.unshift(...honest)
      duel.shakeHands()
      expectAlive(duel)
    })

    // RFC 9000 §12.3 #4
    it("processes each packet once, however often it arrives", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { puppet } = duel
      const id = victim === "client" ? 1 : 0
      const once = puppet.packet(Level.OneRtt, (w) => {
        writeStreamHeader(w, id, 0, 5, false)
        w.copy(Uint8Array.of(1, 2, 3, 4, 5))
      })
      for (let i = 0; i < 10; i++) duel.inject(once)
      expect(duel.connection.receiver.counters.duplicates).toBe(9)
      expect(duel.connection.streams.read(id, 100)).toEqual(Uint8Array.of(1, 2, 3, 4, 5))
      expect(duel.connection.streams.read(id, 100)).toBeUndefined()
      expectAlive(duel)
    })

    it("accepts packets in any order", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { puppet } = duel
      const id = victim === "client" ? 1 : 0
      const packets = Array.from({ length: 40 }, (_, i) =>
        puppet.packet(Level.OneRtt, (w) => {
          writeStreamHeader(w, id, i, 1, i === 39)
          w.u8(i)
        })
      )
      const random = new SeededRandom("order")
      while (packets.length > 0) duel.inject(packets.splice(random.below(packets.length), 1)[0])
      expect(duel.connection.streams.read(id, 100)).toEqual(Uint8Array.from({ length: 40 }, (_, i) => i))
      expect(duel.connection.streams.receiveOutcome(id)).toMatchObject({ _tag: "finished" })
    })

    // RFC 9001 §4.1.4 #S1
    it("buffers a few 1-RTT packets that overtake the end of the handshake", () => {
      const duel = new Duel({ victim })
      if (victim === "client") {
        duel.drainVictim()
        const { puppet } = duel
        const flight = puppet.outbox.splice(0)
        const early = Array.from({ length: 40 }, () => puppet.packet(Level.OneRtt, writePing))
        // the Initial first, so that the client learns the server's ID
        puppet.outbox.push(flight[0], ...early, ...flight.slice(1))
        duel.exchange()
        expect(duel.connection.lifecycle.state).toBe("established")
        expect(duel.connection.receiver.counters.received).toBeGreaterThan(10)
        expect(duel.connection.receiver.counters.dropped).toBeGreaterThan(10)
      } else {
        duel.deliver()
        duel.drainVictim()
        const { puppet } = duel
        const last = puppet.outbox.splice(0)
        const early = Array.from({ length: 40 }, () => puppet.packet(Level.OneRtt, writePing))
        const before = duel.connection.receiver.counters.received
        puppet.outbox.push(...early, ...last)
        duel.exchange()
        expect(duel.connection.lifecycle.state).toBe("established")
        const taken = duel.connection.receiver.counters.received - before
        expect(taken).toBeGreaterThan(10)
        expect(taken).toBeLessThanOrEqual(16 + last.length)
      }
    })
  })

// RFC 9000 §10.3 #3
it("packets too small to be any are dropped, and do not count as forged", () => {
  for (const victim of ["client", "server"] as const) {
    const duel = new Duel({ victim }).shakeHands()
    const { counters } = duel.connection.receiver
    const whole = duel.puppet.packet(Level.OneRtt, new Uint8Array(100).fill(1))
    const { received, dropped } = counters
    const sent = duel.sent.length
    // a byte, the connection ID, and from the packet number on 4 and 16 for the sample
    const least = 1 + 8 + 4 + 16
    for (let size = 1; size < least; size++) duel.inject(whole.slice(0, size))
    expect(duel.sent.length).toBe(sent)
    expect(counters).toMatchObject({ received, undecryptable: 0 })
    expect(counters.dropped).toBeGreaterThan(dropped)
    duel.inject(whole.slice(0, least))
    expect(counters).toMatchObject({ received, undecryptable: 1 })
    duel.inject(whole)
    expect(counters.received).toBe(received + 1)
  }
})
