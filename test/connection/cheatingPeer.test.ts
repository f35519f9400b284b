import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { transportErrorName } from "../../src/wire/TransportError.ts"
import { cheats, honestActs } from "./cheats.ts"
import { Duel } from "./Duel.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

for (const victim of roles)
  describe(`a ${victim} whose peer sends`, () => {
    // RFC 9000 §10.3 #1, §11 #S1 #S2, §11.1 #1
    for (const cheat of cheats.filter((cheat) => (cheat.victim ?? victim) === victim))
      it(`${cheat.name} closes with ${transportErrorName(cheat.code)}`, () => {
        const duel = new Duel({ victim, transport: cheat.transport ?? {} }).shakeHands()
        duel.puppet.outbox.push(...cheat.act(duel.puppet))
        duel.exchange()
        expect(duel.puppet.seen.close).toMatchObject({
          application: false,
          code: cheat.code,
          ...(cheat.frameType !== undefined && { frameType: cheat.frameType })
        })
        expect(duel.puppet.seen.close!.reason).not.toBe("")
        expect(duel.connection.closeReason).toMatchObject({ origin: "local", code: cheat.code })
        // the victim sends one CONNECTION_CLOSE, and its state is gone after three PTOs
        duel.advance(10_000_000)
        expect(duel.connection.lifecycle.state).toBe("closed")
        expect(duel.endpoint.connections.size).toBe(0)
      })

    for (const act of honestActs)
      it(`${act.name} continues`, () => {
        const duel = new Duel({ victim, transport: act.transport ?? {} }).shakeHands()
        duel.puppet.outbox.push(...act.act(duel.puppet))
        duel.exchange()
        const acknowledged = duel.puppet.seen.named("onAck").length
        duel.inject(duel.puppet.packet(Level.OneRtt, writePing)).advance(100_000)
        expect(duel.puppet.seen.named("onAck").length).toBeGreaterThan(acknowledged)
        expect(duel.connection.closeReason).toBeUndefined()
      })
  })
