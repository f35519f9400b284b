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

    it("ignores the spin bit, and sets its own at random, RFC 9000 §17.4 #1 #4 #S1", () => {
      const duel = new Duel({ victim }).shakeHands()
      for (const peerSpins of [true, false]) {
        const firstByte = (honest: number) => honest | (peerSpins ? 0x20 : 0)
        const { spins } = duel.puppet.audit
        spins.length = 0
        for (let i = 0; i < 64; i++) {
          const before = duel.connection.receiver.counters.received
          duel.inject(duel.puppet.packet(Level.OneRtt, Uint8Array.of(1), { firstByte })).advance(100_000)
          expect(duel.connection.receiver.counters.received).toBe(before + 1)
        }
        const set = spins.filter((spin) => spin).length / spins.length
        expect(Math.abs(set - 0.5)).toBeLessThan(0.25)
      }
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
