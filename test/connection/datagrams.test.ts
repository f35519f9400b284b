/** DATAGRAM frames and what holds them back. RFC 9221 */
import { describe, expect, it } from "vitest"
import { datagramSize } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import type { Role } from "./cheats.ts"
import { Duel } from "./Duel.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

const seen = (duel: Duel): ReadonlyArray<number> =>
  duel.puppet.seen.named("onDatagram").map(({ bytes }) => bytes!.length)

for (const victim of roles)
  describe(`a ${victim}`, () => {
    it("lets datagrams wait while the window is full, RFC 9221 §5.4", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      connection.streams.write(connection.streams.open(false), new Uint8Array(90_000))
      duel.exchange()
      const { recovery } = connection.path
      expect(recovery.sendQuota(duel.nowMicros)).toBe(0)
      connection.datagrams.send(new Uint8Array(1_000), false)
      duel.exchange()
      expect(seen(duel)).toEqual([])
      duel.inject(puppet.packet(Level.OneRtt, puppet.ackAll(Level.OneRtt))).advance(50_000)
      expect(seen(duel)).toEqual([1_000])
    })

    it("sends none larger than the peer takes, and none to one that takes none, RFC 9221 §3 #1 #2", () => {
      for (const maxDatagramFrameSize of [0, 50, 400]) {
        const duel = new Duel({
          victim,
          puppet: { parameters: (honest) => ({ ...honest, maxDatagramFrameSize }) }
        }).shakeHands()
        const { datagrams } = duel.connection
        for (let size = 1; size < 800; size += 7) datagrams.send(new Uint8Array(size), false)
        duel.exchange().advance(1_000_000)
        const sizes = seen(duel)
        expect(sizes.every((size) => datagramSize(size) <= maxDatagramFrameSize)).toBe(true)
        expect(sizes.length > 0).toBe(maxDatagramFrameSize > 0)
        expect(datagrams.hasFrames()).toBe(false)
      }
    })
  })
