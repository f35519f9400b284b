/** What is acknowledged, at which level, and how often. RFC 9000 §13 */
import { openableStreams } from "../inspect.ts"
import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { HandshakeType } from "../../src/handshake/messages.ts"
import { writeMaxData, writeMaxStreams, writePing } from "../../src/wire/frameWriters.ts"
import { Level, Space } from "../../src/wire/PacketType.ts"
import { TransportErrorCode as Code } from "../../src/wire/TransportError.ts"
import { Duel } from "./Duel.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

const acks = (duel: Duel, level: Level) =>
  duel.puppet.seen.named("onAck").filter((frame) => frame.level === level)

for (const victim of roles)
  describe(`a ${victim}`, () => {
    it("acknowledges handshake packets at once, each in its own space, RFC 9000 §13.2.1 #2, §13.2.6 #1, RFC 9001 §4.1.4 #S2", () => {
      const duel = new Duel({
        victim,
        puppet: { tamper: (message) => (message[0] === HandshakeType.finished ? undefined : message) }
      }).exchange()
      const { puppet } = duel
      // a number not used in any other space
      duel.inject(puppet.packet(Level.Handshake, writePing, { packetNumber: 50 }))
      expect(acks(duel, Level.Handshake).at(-1)?.values[0]).toBe(50)
      expect(acks(duel, Level.Initial).some(({ values }) => values[0] === 50)).toBe(false)
      expect(acks(duel, Level.OneRtt).length).toBe(0)
    })

    it("acknowledges 1-RTT packets in 1-RTT, within max_ack_delay, RFC 9000 §13.2.1 #1 #2, §13.2.6 #2, §17.2.3 #3, §18.2 #S1", () => {
      const duel = new Duel({ victim, transport: { maxAckDelay: 20 } }).shakeHands()
      duel.advance(1_000_000)
      const { puppet } = duel
      const before = acks(duel, Level.OneRtt).length
      const number = puppet.nextPacketNumber[Space.Application]
      duel.inject(puppet.packet(Level.OneRtt, writePing))
      expect(acks(duel, Level.OneRtt).length).toBe(before)
      // a timer may be a millisecond late
      duel.advance(19_000)
      expect(acks(duel, Level.OneRtt).length).toBe(before + 1)
      expect(acks(duel, Level.OneRtt).at(-1)?.values[0]).toBe(number)
    })

    it("does not acknowledge ACKs, and an ack-eliciting packet once, RFC 9000 §13.2.1 #3 #4 #5", () => {
      const duel = new Duel({ victim }).shakeHands()
      duel.advance(1_000_000)
      const { puppet } = duel
      const sent = duel.sent.length
      // only ACKs, with gaps in their packet numbers
      for (let i = 0; i < 20; i++) {
        const packetNumber = puppet.nextPacketNumber[Space.Application] + 3
        duel.inject(puppet.packet(Level.OneRtt, puppet.ackAll(Level.OneRtt), { packetNumber }))
      }
      duel.advance(1_000_000)
      expect(duel.sent.length).toBe(sent)
      for (let i = 0; i < 20; i++) {
        duel.inject(puppet.packet(Level.OneRtt, writePing)).advance(100_000)
        expect(duel.sent.length).toBe(sent + i + 1)
      }
      const last = puppet.largestReceived[Space.Application]
      const inLast = puppet.seen.frames.filter(
        ({ level, packetNumber }) => level === Level.OneRtt && packetNumber === last
      )
      expect(inLast.map(({ name }) => name)).toEqual(["onAck"])
    })

    it("adds an ACK to packets it sends anyway, RFC 9000 §13.2 #S1, §13.2.1 #S2", () => {
      const duel = new Duel({ victim }).shakeHands().advance(1_000_000)
      const { connection, puppet } = duel
      const number = puppet.nextPacketNumber[Space.Application]
      duel.inject(puppet.packet(Level.OneRtt, writePing))
      const before = puppet.seen.frames.length
      connection.ping()
      duel.exchange()
      expect(puppet.seen.frames.slice(before).map(({ name, values }) => [name, values[0]])).toEqual([
        ["onAck", number],
        ["onPing", undefined]
      ])
    })

    it("does not acknowledge a packet whose frames it could not process, RFC 9000 §13.1", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { puppet } = duel
      const number = puppet.nextPacketNumber[Space.Application]
      duel.inject(puppet.packet(Level.OneRtt, Uint8Array.of(0x01, 0x3f)))
      expect(puppet.seen.close?.code).toBe(Code.FRAME_ENCODING_ERROR)
      expect(acks(duel, Level.OneRtt).every(({ values }) => (values[0] as number) < number)).toBe(true)
    })

    it("retransmits a RESET_STREAM unchanged, RFC 9000 §13.3 #1", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      const id = connection.streams.open(false)
      connection.streams.write(id, new Uint8Array(500))
      duel.exchange()
      connection.streams.reset(id, 7)
      duel.exchange()
      connection.streams.reset(id, 8)
      connection.streams.write(id, new Uint8Array(100))
      duel.advance(5_000_000)
      const resets = puppet.seen.named("onResetStream").map(({ values }) => values)
      expect(resets.length).toBeGreaterThan(1)
      for (const reset of resets) expect(reset).toEqual([id, 7, 500])
    })

    it("ignores outdated frames, RFC 9000 §13.3 #3, §19.11 #2", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { puppet, connection } = duel
      const before = openableStreams(connection.streams, false)
      duel.inject(puppet.packet(Level.OneRtt, (w) => writeMaxData(w, 5)))
      duel.inject(puppet.packet(Level.OneRtt, (w) => writeMaxStreams(w, false, 1)))
      expect(connection.closeReason).toBeUndefined()
      expect(openableStreams(connection.streams, false)).toBe(before)
      const id = connection.streams.open(false)
      connection.streams.write(id, new Uint8Array(100))
      duel.exchange()
      expect(puppet.seen.named("onStream").at(-1)?.bytes?.length).toBe(100)
    })
  })

describe("a packet buffered until its keys arrive", () => {
  const WAIT_MICROS = 30_000

  // RFC 9000 §13.2.5 #S1 #S2
  it("is acknowledged with the wait included in the ACK delay, even above max_ack_delay", () => {
    const duel = new Duel({ victim: "client" })
    duel.drainVictim()
    const { puppet } = duel
    const [first, ...rest] = puppet.outbox.splice(0)
    puppet.outbox.push(first, puppet.packet(Level.OneRtt, writePing))
    duel.deliver()
    duel.nowMicros += WAIT_MICROS
    puppet.outbox.push(...rest)
    duel.exchange()
    const [{ values }] = acks(duel, Level.OneRtt)
    expect((values[2] as number) * 2 ** 3).toBe(WAIT_MICROS)
  })

  // RFC 9002 §5.3 #S3
  it("does not inflate the RTT that its ACK measures", () => {
    const duel = new Duel({ victim: "server" })
    const { puppet } = duel
    duel.deliver()
    duel.connection.ping()
    duel.drainVictim()
    puppet.receive(new Uint8Array(0)) // makes the puppet process what it buffered, too
    expect(puppet.largestReceived[Space.Application]).toBe(0)
    const rest = puppet.outbox.splice(0)
    duel.nowMicros += 5_000
    puppet.outbox.push(puppet.packet(Level.OneRtt, puppet.ackAll(Level.OneRtt)))
    duel.deliver()
    duel.nowMicros += WAIT_MICROS
    puppet.outbox.push(...rest)
    duel.deliver()
    expect(duel.connection.handshake.complete).toBe(true)
    expect(duel.connection.path.recovery.rtt.latestMicros).toBe(5_000)
  })
})

describe("HANDSHAKE_DONE", () => {
  const done = (duel: Duel): number => duel.puppet.seen.named("onHandshakeDone").length

  it("is sent when the handshake is complete, and not before, RFC 9000 §19.20 #1, RFC 9001 §4.1.2", () => {
    const duel = new Duel({
      victim: "server",
      puppet: { tamper: (message) => (message[0] === HandshakeType.finished ? undefined : message) }
    }).exchange()
    duel.advance(2_000_000)
    expect(done(duel)).toBe(0)
    const whole = new Duel({ victim: "server" }).exchange()
    expect(whole.connection.handshake.complete).toBe(true)
    expect(done(whole)).toBe(1)
  })

  it("is sent again until it is acknowledged, RFC 9000 §13.3 #2", () => {
    const duel = new Duel({ victim: "server" }).exchange()
    const before = done(duel)
    duel.advance(2_000_000)
    expect(done(duel)).toBeGreaterThan(before)
    duel.inject(duel.puppet.packet(Level.OneRtt, duel.puppet.ackAll(Level.OneRtt)))
    const after = done(duel)
    duel.advance(10_000_000)
    expect(done(duel)).toBe(after)
  })
})
