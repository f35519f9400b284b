/** What once kept the endpoint's loop busy: an expired deadline that nothing moved. */
import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { Duel } from "../connection/Duel.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

/** From now on nothing the victim sends arrives. */
const cutOff = (duel: Duel): void => {
  duel.receive = (datagram) => duel.sent.push(datagram.length)
}

for (const victim of roles)
  describe(`a ${victim} sleeps`, () => {
    it("once the keys of a level are discarded, though one of its packets was never acknowledged", () => {
      const duel = new Duel({ victim }).shakeHands()
      duel.wakeups = 0
      duel.advance(20_000_000)
      expect(duel.wakeups).toBeLessThan(10)
    })

    it("while it waits for the answer to a keep-alive", () => {
      const duel = new Duel({
        victim,
        transport: { keepAliveInterval: 1_000, maxIdleTimeout: 30_000 }
      }).shakeHands()
      cutOff(duel)
      duel.wakeups = 0
      duel.advance(29_000_000)
      expect(duel.wakeups).toBeLessThan(20)
    })

    it("while its window is full and a keep-alive is pending", () => {
      const duel = new Duel({
        victim,
        transport: { keepAliveInterval: 1_000, maxIdleTimeout: 300_000 }
      }).shakeHands()
      const id = duel.connection.streams.open(false)
      cutOff(duel)
      duel.connection.streams.write(id, new Uint8Array(90_000))
      duel.exchange().advance(20_000_000)
      // the peer is alive but acknowledges nothing
      duel.inject(duel.puppet.packet(Level.OneRtt, writePing))
      duel.wakeups = 0
      duel.advance(20_000_000)
      expect(duel.wakeups).toBeLessThan(20)
    })

    it("while its window is full and an MTU probe is pending", () => {
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

    it("while it is blocked by flow control", () => {
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
  it("while it may send nothing to an unvalidated address, though it has data", () => {
    const duel = new Duel({
      victim: "server",
      transport: { handshakeTimeout: 60_000, maxIdleTimeout: 60_000 }
    })
    cutOff(duel)
    duel.exchange()
    duel.wakeups = 0
    duel.advance(50_000_000)
    expect(duel.wakeups).toBeLessThan(20)
  })
})
