import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { writeConnectionClose, writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { Duel, puppetAddress } from "./Duel.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]
const noReason = new Uint8Array(0)

for (const victim of roles)
  describe(`a ${victim} that`, () => {
    // RFC 9000 §10.2 #S1, §10.2.1 #S1, §10.2.3 #1, §11.1 #S1
    it("closes answers late packets ever less often, and is gone after three PTOs", () => {
      const duel = new Duel({ victim }).shakeHands().advance(100_000)
      const { connection, puppet } = duel
      connection.close(5, "done", duel.nowMicros)
      duel.exchange()
      expect(puppet.seen.close).toEqual({ application: true, code: 5, frameType: 0, reason: "done" })
      expect(puppet.seen.named("onConnectionClose").length).toBe(1)
      for (let i = 0; i < 64; i++) duel.inject(puppet.packet(Level.OneRtt, writePing))
      // after 1, 2, 4, 8, 16, 32 and 64 of them
      const closes = puppet.seen.named("onConnectionClose")
      expect(closes.map(({ level }) => level)).toEqual(new Array(1 + 7).fill(Level.OneRtt))
      expect(connection.timeout(duel.nowMicros) - duel.nowMicros).toBeCloseTo(
        3 * connection.path.recovery.ptoMicros(),
        -3
      )
      duel.advance(3 * connection.path.recovery.ptoMicros())
      expect(connection.lifecycle.state).toBe("closed")
      expect(duel.events.map((event) => event._tag).slice(-2)).toEqual(["closed", "drained"])
      expect(connection.timeout(duel.nowMicros)).toBe(Number.POSITIVE_INFINITY)
    })

    // RFC 9000 §10.2.1 #1
    it("closes with a long reason sends no more than three times what it receives", () => {
      const duel = new Duel({ victim }).shakeHands()
      duel.connection.close(5, "x".repeat(900), duel.nowMicros)
      duel.exchange()
      const first = duel.sent.length
      let received = 0
      const repeated = () => duel.sent.slice(first).reduce((sum, size) => sum + size, 0)
      for (let i = 0; i < 200; i++) {
        const straggler = duel.puppet.packet(Level.OneRtt, writePing)
        received += straggler.length
        duel.inject(straggler)
        expect(repeated()).toBeLessThanOrEqual(3 * received)
      }
      expect(repeated()).toBeGreaterThan(900)
    })

    // RFC 9000 §10.2.1 #2
    it("closes does not answer packets from another address", () => {
      const duel = new Duel({ victim }).shakeHands()
      duel.connection.close(5, "done", duel.nowMicros)
      duel.exchange()
      const sent = duel.sent.length
      for (let i = 0; i < 64; i++) {
        const straggler = duel.puppet.packet(Level.OneRtt, writePing)
        duel.endpoint.handleDatagram(straggler, { ...puppetAddress, port: 9 }, 0, duel.nowMicros)
        duel.exchange()
      }
      expect(duel.sent.length).toBe(sent)
    })

    // RFC 9000 §10.2.2 #1 #2
    it("is closed by the peer sends nothing more, and is gone after three PTOs", () => {
      const duel = new Duel({ victim }).shakeHands().advance(100_000)
      const { connection, puppet } = duel
      const sent = duel.sent.length
      duel.inject(puppet.packet(Level.OneRtt, (w) => writeConnectionClose(w, true, 9, 0, noReason)))
      expect(connection.closeReason).toMatchObject({ origin: "peer", application: true, code: 9 })
      for (let i = 0; i < 10; i++) duel.inject(puppet.packet(Level.OneRtt, writePing))
      expect(duel.sent.length).toBe(sent)
      duel.advance(3 * connection.path.recovery.ptoMicros())
      expect(connection.lifecycle.state).toBe("closed")
      expect(duel.sent.length).toBe(sent)
    })

    it("closes simultaneously with the peer is gone as soon", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      connection.close(1, "", duel.nowMicros)
      duel.inject(puppet.packet(Level.OneRtt, (w) => writeConnectionClose(w, true, 2, 0, noReason)))
      expect(connection.closeReason).toMatchObject({ origin: "local", code: 1 })
      duel.advance(10_000_000)
      expect(connection.lifecycle.state).toBe("closed")
    })

    it("is closed during the handshake learns why", () => {
      const duel = new Duel({ victim })
      const { puppet } = duel
      if (victim === "client") duel.drainVictim()
      else duel.deliver()
      puppet.outbox.length = 0
      duel.inject(
        puppet.packet(
          Level.Initial,
          (w) => writeConnectionClose(w, false, 2, 0, new TextEncoder().encode("full")),
          {
            size: 1200
          }
        )
      )
      expect(duel.connection.closeReason).toMatchObject({ origin: "peer", code: 2, reason: "full" })
    })

    // RFC 9000 §10.2.3 #2 #3 #S4, §12.5 #1
    it("closes during the handshake does not reveal the application's code and reason", () => {
      const duel = new Duel({ victim })
      if (victim === "client") duel.drainVictim()
      else duel.deliver()
      duel.puppet.outbox.length = 0
      duel.connection.close(1234, "a secret", duel.nowMicros)
      duel.exchange()
      const closes = duel.puppet.seen.named("onConnectionClose")
      expect(closes.length).toBeGreaterThan(0)
      for (const { level, values, bytes } of closes) {
        if (level === Level.OneRtt) continue
        expect(values.slice(0, 2)).toEqual([false, 0x0c])
        expect(bytes?.length).toBe(0)
      }
    })

    it("has nothing to send has no earlier deadline", () => {
      const duel = new Duel({ victim, transport: { maxIdleTimeout: 10_000 } }).shakeHands()
      duel.advance(4_000_000)
      const due = duel.connection.timeout(duel.nowMicros)
      expect(due - duel.nowMicros).toBeGreaterThan(5_000_000)
      duel.advance(20_000_000)
      expect(duel.connection.closeReason).toMatchObject({ origin: "idleTimeout" })
    })

    // RFC 9000 §10.1 #1
    it("may be silent for three PTOs, however short the idle timeout", () => {
      const duel = new Duel({ victim, transport: { maxIdleTimeout: 100, initialRtt: 400 } })
      duel.receive = (datagram) => duel.sent.push(datagram.length)
      duel.exchange()
      const pto = duel.connection.path.recovery.ptoMicros()
      expect(pto).toBeGreaterThanOrEqual(3 * 400_000)
      duel.advance(3 * pto - 1)
      expect(duel.connection.closeReason).toBeUndefined()
      duel.advance(8 * pto)
      expect(duel.connection.closeReason).toMatchObject({ origin: "idleTimeout" })
    })

    it("keeps a connection alive sends one PING, and then relies on the PTO", () => {
      const duel = new Duel({
        victim,
        transport: { maxIdleTimeout: 10_000, keepAliveInterval: 1_000 }
      }).shakeHands()
      duel.advance(500_000)
      // the peer is gone
      duel.receive = (datagram) => duel.sent.push(datagram.length)
      const sent = duel.sent.length
      duel.advance(20_000_000)
      expect(duel.sent.length - sent).toBeGreaterThan(2)
      expect(duel.sent.length - sent).toBeLessThan(40)
      expect(duel.connection.closeReason).toMatchObject({ origin: "idleTimeout" })
    })
  })

describe("during the handshake CONNECTION_CLOSE is sent at every level that the peer may be able to read:", () => {
  const levelsOf = (duel: Duel) => {
    duel.connection.close(1, "", duel.nowMicros)
    duel.exchange()
    return duel.puppet.seen.named("onConnectionClose").map(({ level }) => level)
  }

  it("by a server before it has received the client's Finished, RFC 9000 §10.2.3 #S1 #S2 #S3", () => {
    const duel = new Duel({ victim: "server" })
    duel.deliver()
    duel.drainVictim()
    duel.puppet.outbox.length = 0
    duel.puppet.receive(new Uint8Array(0)) // processes what was buffered for lack of keys
    expect(new Set(levelsOf(duel))).toEqual(new Set([Level.Initial, Level.Handshake, Level.OneRtt]))
  })

  it("by a client before its handshake is confirmed, RFC 9000 §10.2.3 #S2", () => {
    const duel = new Duel({ victim: "client" }).exchange()
    expect(duel.connection.handshake).toMatchObject({ complete: true, confirmed: false })
    expect(new Set(levelsOf(duel))).toEqual(new Set([Level.Handshake, Level.OneRtt]))
  })
})

describe("a client whose server", () => {
  // RFC 9000 §10.3.1 #4
  it("lost its state recognizes the stateless reset, and does not answer it", () => {
    const duel = new Duel({ victim: "client" }).shakeHands().advance(100_000)
    const sent = duel.sent.length
    const reset = new Uint8Array(43).fill(0x55)
    reset.fill(7, 43 - 16) // the puppet's stateless_reset_token
    duel.endpoint.handleDatagram(reset.slice(), { ...puppetAddress, port: 9 }, 0, duel.nowMicros)
    expect(duel.connection.closeReason).toBeUndefined() // wrong address
    for (let reply = duel.endpoint.pollReply(); reply !== undefined; reply = duel.endpoint.pollReply());
    duel.inject(reset)
    expect(duel.connection.closeReason).toMatchObject({ origin: "statelessReset" })
    expect(duel.sent.length).toBe(sent)
    duel.advance(10_000_000)
    expect(duel.connection.lifecycle.state).toBe("closed")
  })

  it("is silent fails after the handshake timeout", () => {
    const duel = new Duel({ victim: "client", transport: { handshakeTimeout: 3_000 } })
    duel.receive = (datagram) => duel.sent.push(datagram.length)
    duel.exchange()
    expect(duel.sent.every((size) => size >= 1200)).toBe(true)
    duel.advance(2_999_000)
    expect(duel.connection.closeReason).toBeUndefined()
    expect(duel.sent.length).toBeGreaterThan(2)
    duel.advance(2_000)
    expect(duel.connection.closeReason).toMatchObject({ origin: "handshakeTimeout" })
  })
})
