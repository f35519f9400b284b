import { describe, expect, it } from "vitest"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { Duel } from "../connection/Duel.ts"

const elsewhere = { host: "192.0.2.1", port: 4434, family: 4 } as const

describe("a server whose client migrated", () => {
  it("counts path MTU probes against the limit of an unvalidated address", () => {
    for (let size = 40; size <= 1_200; size += 40) {
      const duel = new Duel({ victim: "server", transport: { maxDatagramBytes: 65_507 } })
      duel.shakeHands()
      const { puppet, endpoint } = duel
      let sent = 0
      duel.receive = (datagram) => {
        if (duel.connection.transmit.remote.port === elsewhere.port) sent += datagram.length
      }
      // acknowledging a probe triggers the next
      const acknowledgement = puppet.packet(
        Level.OneRtt,
        (w) => {
          puppet.ackAll(Level.OneRtt)(w)
          writePing(w)
        },
        { size }
      )
      endpoint.handleDatagram(acknowledgement, elsewhere, 0, duel.nowMicros)
      duel.exchange().advance(20_000_000)
      expect(sent, `in answer to ${size} bytes`).toBeLessThanOrEqual(3 * acknowledgement.length)
    }
  })
})

describe("a server whose client falls silent during the handshake", () => {
  it("arms no PTO when its remaining credit is too small for a packet", () => {
    for (let extra = 0; extra <= 30; extra += 5) {
      const duel = new Duel({
        victim: "server",
        transport: { handshakeTimeout: 300_000, maxIdleTimeout: 300_000 }
      })
      duel.receive = (datagram) => duel.sent.push(datagram.length)
      duel.exchange()
      const noise = duel.puppet.packet(Level.Initial, writePing, { size: 1_200 + extra })
      noise[noise.length - 1] ^= 1
      duel.inject(noise).advance(200_000_000)
      const { amplification, recovery } = duel.connection.path
      expect(amplification.remaining).toBeLessThan(96)
      expect(recovery.deadlineMicros(), `${amplification.remaining} bytes left`).toBe(
        Number.POSITIVE_INFINITY
      )
    }
  })
})
