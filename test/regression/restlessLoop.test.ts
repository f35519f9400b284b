/** What once kept the endpoint's loop awake: a deadline that has passed and that nothing moves. */
import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { Duel } from "../connection/Duel.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

/** From here on nothing the victim sends arrives. */
const cutOff = (duel: Duel): void => {
  duel.receive = (datagram) => duel.sent.push(datagram.length)
}

for (const victim of roles)
  describe(`a ${victim} sleeps`, () => {
    it("once the keys of a level are gone, though a packet of it was never acknowledged", () => {
      const duel = new Duel({ victim }).shakeHands()
      duel.wakeups = 0
      duel.advance(20_000_000)
      expect(duel.wakeups).toBeLessThan(10)
    })

    it("while the answer to a keep-alive is awaited", () => {
      const duel = new Duel({
        victim,
        transport: { keepAliveIntervalMillis: 1_000, maxIdleTimeoutMillis: 30_000 }
      }).shakeHands()
      cutOff(duel)
      duel.wakeups = 0
      duel.advance(29_000_000)
      expect(duel.wakeups).toBeLessThan(20)
    })

    it("while its window is full and a keep-alive waits for room", () => {
      const duel = new Duel({
        victim,
        transport: { keepAliveIntervalMillis: 1_000, maxIdleTimeoutMillis: 300_000 }
      }).shakeHands()
      const id = duel.connection.streams.open(false)
      cutOff(duel)
      duel.connection.streams.write(id, new Uint8Array(90_000))
      duel.exchange().advance(20_000_000)
      // the peer is heard, and acknowledges nothing
      duel.inject(duel.puppet.packet(Level.OneRtt, writePing))
      duel.wakeups = 0
      duel.advance(20_000_000)
      expect(duel.wakeups).toBeLessThan(20)
    })

    it("while its window is full and a larger datagram is to be tried", () => {
      const duel = new Duel({ victim, transport: { maxDatagramBytes: 1_452 } }).shakeHands()
      const id = duel.connection.streams.open(false)
      cutOff(duel)
      duel.connection.streams.write(id, new Uint8Array(90_000))
      duel.exchange()
      expect(duel.connection.path.recovery.sendQuota(duel.nowMicros)).toBe(0)
      duel.wakeups = 0
      duel.advance(30_000_000)
      expect(duel.wakeups).toBeLessThan(60)
    })

    it("while the peer's flow control stops it", () => {
      const duel = new Duel({
        victim,
        puppet: { parameters: (honest) => ({ ...honest, initialMaxStreamDataBidiRemote: 1_000 }) }
      }).shakeHands()
      const id = duel.connection.streams.open(false)
      duel.connection.streams.write(id, new Uint8Array(90_000))
      duel.exchange()
      duel.inject(duel.puppet.packet(Level.OneRtt, duel.puppet.ackAll(Level.OneRtt)))
      duel.wakeups = 0
      duel.advance(30_000_000)
      expect(duel.wakeups).toBeLessThan(20)
    })
  })

describe("a server sleeps", () => {
  it("while it may send nothing to an unproven address, though it has much to say", () => {
    const duel = new Duel({
      victim: "server",
      transport: { handshakeTimeoutMillis: 60_000, maxIdleTimeoutMillis: 60_000 }
    })
    cutOff(duel)
    duel.exchange()
    duel.wakeups = 0
    duel.advance(50_000_000)
    expect(duel.wakeups).toBeLessThan(20)
  })
})
