import { describe, expect, it } from "vitest"
import { Level } from "../../src/wire/PacketType.ts"
import { Duel } from "./Duel.ts"

for (const victim of ["client", "server"] as const)
  describe(`a ${victim} against an honest puppet`, () => {
    it("completes and confirms the handshake", () => {
      const duel = new Duel({ victim }).shakeHands()
      expect(duel.puppet.complete).toBe(true)
      expect(duel.connection.handshake.confirmed).toBe(true)
      expect(duel.connection.closeReason).toBeUndefined()
    })

    it("answers a PING with an ACK", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { puppet } = duel
      duel.inject(puppet.packet(Level.OneRtt, Uint8Array.of(1)))
      duel.inject(puppet.packet(Level.OneRtt, Uint8Array.of(1)))
      duel.advance(25_000)
      expect(puppet.seen.named("onAck").at(-1)?.values[0]).toBe(puppet.nextPacketNumber[2] - 1)
    })
  })
