/** Garbage under valid keys: the connection continues or closes with an error code of the RFC; it never breaks. */
import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { NamedGroup } from "../../src/capability/CryptoSuite.ts"
import { ByteWriter } from "../../src/wire/ByteWriter.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { Duel } from "./Duel.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]
const ROUNDS = 800

/** Favours frame types and small numbers: pure noise rarely gets past the first byte. */
const nonsense = (random: SeededRandom): Uint8Array => {
  const w = new ByteWriter(new Uint8Array(2_000))
  const frames = 1 + random.below(6)
  for (let i = 0; i < frames; i++) {
    w.u8(random.below(0x40))
    const fields = random.below(6)
    for (let j = 0; j < fields; j++) {
      if (random.chance(0.7)) w.varint(random.below(40))
      else if (random.chance(0.5)) w.varint(random.below(2 ** 30))
      else w.varint(random.below(Number.MAX_SAFE_INTEGER))
    }
    if (random.chance(0.3)) w.copy(random.bytes(random.below(40)))
  }
  return w.bytes.slice(0, w.offset)
}

const expectOrderly = (duel: Duel, what: string): void => {
  const { closeReason } = duel.connection
  if (closeReason === undefined) return
  expect(["local", "peer"], what).toContain(closeReason.origin)
  if (closeReason.origin === "local") {
    expect(closeReason.code, what).not.toBe(0x01) // INTERNAL_ERROR
    expect(closeReason.reason, what).not.toBe("")
    // the victim may have switched to an ID of a length the puppet does not expect
    if (duel.connection.path.peerIds.activeId.sequence === 0)
      expect(duel.puppet.seen.close?.code, what).toBe(closeReason.code)
  }
}

for (const victim of roles)
  describe(`a ${victim} that receives garbage`, () => {
    it("in 1-RTT packets continues or closes cleanly", () => {
      const random = new SeededRandom(`nonsense for a ${victim}`)
      const options = { victim, groups: [NamedGroup.x25519], transport: { maxDatagramFrameBytes: 1_000 } }
      let duel = new Duel(options).shakeHands()
      let closed = 0
      for (let i = 0; i < ROUNDS; i++) {
        const payload = nonsense(random)
        duel.inject(duel.puppet.packet(Level.OneRtt, payload, { size: 40 }))
        if (random.chance(0.2)) duel.advance(random.below(200_000))
        if (duel.connection.closeReason === undefined) continue
        closed++
        expectOrderly(duel, Buffer.from(payload).toString("hex"))
        duel.advance(60_000_000)
        expect(duel.endpoint.connections.size).toBe(0)
        duel = new Duel({ ...options, seed: `${i}` }).shakeHands()
      }
      expect(closed).toBeGreaterThan(ROUNDS / 10)
    })

    it("in Initial packets continues or closes cleanly", () => {
      const random = new SeededRandom(`early nonsense for a ${victim}`)
      for (let i = 0; i < ROUNDS / 10; i++) {
        const duel = new Duel({ victim, seed: `early ${i}` })
        if (victim === "client") duel.drainVictim()
        else duel.deliver()
        duel.puppet.outbox.length = 0
        const payload = nonsense(random)
        duel.inject(duel.puppet.packet(Level.Initial, payload, { size: 1200 }))
        expectOrderly(duel, Buffer.from(payload).toString("hex"))
        duel.advance(60_000_000)
        expect(duel.endpoint.connections.size).toBe(0)
      }
    })

    it("in handshake messages completes the handshake or closes cleanly", () => {
      const random = new SeededRandom(`mangled handshake of a ${victim}`)
      for (let i = 0; i < ROUNDS / 5; i++) {
        let toMangle = random.below(5)
        const duel = new Duel({
          victim,
          seed: `mangled ${i}`,
          requestClientCertificate: victim === "server" ? "request" : "none",
          puppet: {
            tamper: (message) => {
              if (toMangle-- !== 0) return message
              return mangle(message, random)
            }
          }
        })
        duel.exchange()
        expectOrderly(duel, `round ${i}`)
        // a truncated message leaves the victim waiting for the rest
        duel.advance(120_000_000)
        expect(duel.connection.lifecycle.state).toBe("closed")
        expect(duel.endpoint.connections.size).toBe(0)
      }
    })
  })

/** Flips a bit of a message, or truncates, duplicates or extends it. */
const mangle = (message: Uint8Array, random: SeededRandom): Uint8Array | undefined => {
  const copy = message.slice()
  switch (random.below(5)) {
    case 0:
      copy[random.below(copy.length)] ^= 1 << random.below(8)
      return copy
    case 1:
      return copy.slice(0, random.below(copy.length))
    case 2:
      return Uint8Array.of(...copy, ...copy)
    case 3:
      return Uint8Array.of(...copy, ...random.bytes(1 + random.below(50)))
    default: {
      // one of the many length fields
      const at = 4 + random.below(Math.max(1, copy.length - 4))
      copy[at] = random.below(256)
      return copy
    }
  }
}
