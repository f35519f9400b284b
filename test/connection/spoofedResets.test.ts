/** Spoofed stateless resets: only the token of a connection ID in use ends a connection. RFC 9000 §10.3 */
import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { writeNewConnectionId, writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { Duel } from "./Duel.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

const token = (n: number): Uint8Array => new Uint8Array(16).fill(n)

/** A datagram with the short header of an unknown connection, ending in `ending`. */
const resetWith = (ending: Uint8Array, size = 43): Uint8Array => {
  const datagram = new Uint8Array(size).fill(0x55)
  datagram.set(ending, size - ending.length)
  return datagram
}

/** With two connection IDs from the puppet, the first in use; their tokens are `token(1)` and `token(2)`. */
const duelWithTokens = (victim: Role): Duel => {
  const duel = new Duel({ victim }).shakeHands()
  const announce = (sequence: number, retirePriorTo: number) =>
    duel.inject(
      duel.puppet.packet(Level.OneRtt, (w) =>
        writeNewConnectionId(w, sequence, retirePriorTo, token(sequence).slice(0, 8), token(sequence))
      )
    )
  announce(1, 1)
  announce(2, 1)
  expect(duel.connection.path.peerIds.activeId.id).toEqual(token(1).slice(0, 8))
  return duel
}

const expectAlive = (duel: Duel): void => {
  expect(duel.connection.closeReason).toBeUndefined()
  const before = duel.connection.receiver.counters.received
  duel.inject(duel.puppet.packet(Level.OneRtt, writePing))
  expect(duel.connection.receiver.counters.received).toBe(before + 1)
}

for (const victim of roles)
  describe(`a ${victim} lives on when a stateless reset is spoofed`, () => {
    it("with a guessed token, or one off by a bit", () => {
      const duel = duelWithTokens(victim)
      duel.inject(resetWith(token(0)))
      for (let bit = 0; bit < 128; bit++) {
        const guess = token(1)
        guess[bit >> 3] ^= 1 << (bit & 7)
        duel.inject(resetWith(guess))
      }
      expectAlive(duel)
    })

    // RFC 9000 §10.3.1 #2
    it("with the token of an ID that is not yet, or no longer, in use", () => {
      const duel = duelWithTokens(victim)
      duel.inject(resetWith(token(2)))
      duel.inject(resetWith(token(7))) // the server's first, since retired
      expectAlive(duel)
    })

    it("with the right token in the wrong place, or truncated", () => {
      const duel = duelWithTokens(victim)
      duel.inject(resetWith(Uint8Array.of(...token(1), 0)))
      duel.inject(resetWith(token(1).slice(1)))
      duel.inject(resetWith(token(1), 20))
      expectAlive(duel)
    })

    it("and ends when it is authentic", () => {
      const duel = duelWithTokens(victim)
      duel.inject(resetWith(token(1)))
      expect(duel.connection.closeReason).toMatchObject({ origin: "statelessReset" })
    })

    // RFC 9000 §10.3 #5, §10.3.1 #1
    it("and ends when it is authentic, whatever its header and destination ID", () => {
      // a short header, no fixed bit, Version Negotiation, an unknown version, and each type of versions 1 and 2
      const beginnings = [[0x55], [0x15], [0xc0, 0, 0, 0, 0], [0xc0, 0x1a, 0x2a, 0x3a, 0x4a]]
      for (let first = 0xc0; first <= 0xf0; first += 0x10) {
        beginnings.push([first, 0, 0, 0, 1, 8], [first, 0, 0, 0, 1, 0, 0, 0, 20], [first, 0, 0, 0, 1, 255])
        beginnings.push([first, 0x6b, 0x33, 0x43, 0xcf, 8])
      }
      for (const beginning of beginnings) {
        const duel = duelWithTokens(victim)
        const reset = resetWith(token(1), 60)
        reset.set(beginning)
        duel.inject(reset)
        expect(duel.connection.closeReason?.origin, String(beginning)).toBe("statelessReset")
      }
      for (const size of [29, 30, 43, 100, 1200]) {
        const duel = duelWithTokens(victim)
        const reset = resetWith(token(1), size)
        reset.set(duel.puppet.destination, 1)
        duel.inject(reset)
        expect(duel.connection.closeReason?.origin, `${size} bytes to an ID of ours`).toBe("statelessReset")
      }
    })
  })
