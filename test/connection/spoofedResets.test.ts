/** Stateless resets that are none: only the token of a connection ID in use ends a connection. RFC 9000 §10.3 */
import { describe, expect, it } from "vitest"
import { writeNewConnectionId, writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import type { Role } from "./cheats.ts"
import { Duel } from "./Duel.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

const token = (n: number): Uint8Array => new Uint8Array(16).fill(n)

/** A datagram that looks like a short header of nobody's, and ends in `ending`. */
const resetWith = (ending: Uint8Array, size = 43): Uint8Array => {
  const datagram = new Uint8Array(size).fill(0x55)
  datagram.set(ending, size - ending.length)
  return datagram
}

/** With two connection IDs of the puppet's, the first in use: their tokens are `token(1)` and `token(2)`. */
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
  expect(duel.connection.path.peerIds.active).toEqual(token(1).slice(0, 8))
  return duel
}

const livesOn = (duel: Duel): void => {
  expect(duel.connection.closeReason).toBeUndefined()
  const before = duel.connection.receiver.counters.received
  duel.inject(duel.puppet.packet(Level.OneRtt, writePing))
  expect(duel.connection.receiver.counters.received).toBe(before + 1)
}

for (const victim of roles)
  describe(`a ${victim} lives on when a stateless reset is spoofed`, () => {
    it("with a token that is a guess, or a bit off", () => {
      const duel = duelWithTokens(victim)
      duel.inject(resetWith(token(0)))
      for (let bit = 0; bit < 128; bit++) {
        const guess = token(1)
        guess[bit >> 3] ^= 1 << (bit & 7)
        duel.inject(resetWith(guess))
      }
      livesOn(duel)
    })

    // RFC 9000 §10.3.1 #2
    it("with the token of an ID that is not in use yet, or no longer", () => {
      const duel = duelWithTokens(victim)
      duel.inject(resetWith(token(2)))
      duel.inject(resetWith(token(7))) // the server's first, which was retired
      livesOn(duel)
    })

    it("with the right token in the wrong place, or cut short", () => {
      const duel = duelWithTokens(victim)
      duel.inject(resetWith(Uint8Array.of(...token(1), 0)))
      duel.inject(resetWith(token(1).slice(1)))
      duel.inject(resetWith(token(1), 20))
      livesOn(duel)
    })

    it("and ends when it is not", () => {
      const duel = duelWithTokens(victim)
      duel.inject(resetWith(token(1)))
      expect(duel.connection.closeReason).toMatchObject({ origin: "statelessReset" })
    })
  })
