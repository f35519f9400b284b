/**
 * An ACK with many ranges, on a route with credit for only a few bytes: it once left no room for the path frames beside
 * it, which ended the endpoint's loop, or did not fit at all, which kept the loop busy forever.
 */
import { describe, expect, it } from "vitest"
import { writePathChallenge, writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { Duel } from "../connection/Duel.ts"

const elsewhere = { host: "192.0.2.1", port: 4434, family: 4 } as const

/** A client acknowledges nothing, skips packet numbers, migrates, and sends one datagram of `size` bytes from there. */
const moveWithGaps = (size: number, challenge: boolean): Duel => {
  const duel = new Duel({ victim: "server" }).shakeHands()
  const { puppet, endpoint } = duel
  duel.receive = (datagram) => duel.sent.push(datagram.length)
  let packetNumber = puppet.nextPacketNumber[2]
  for (let i = 0; i < 60; i++)
    duel.inject(puppet.packet(Level.OneRtt, writePing, { packetNumber: (packetNumber += 100_000) }))
  const last = puppet.packet(
    Level.OneRtt,
    (w) => {
      writePing(w)
      if (challenge) writePathChallenge(w, new Uint8Array(8))
    },
    { packetNumber: packetNumber + 100_000, size }
  )
  endpoint.handleDatagram(last, elsewhere, 0, duel.nowMicros)
  return duel.exchange()
}

describe("a server whose client migrated, with many ranges to acknowledge", () => {
  for (const challenge of [false, true])
    it(`sends what fits and sleeps${challenge ? ", even when challenged" : ""}`, () => {
      for (const size of [50, 60, 80, 100, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 150]) {
        const duel = moveWithGaps(size, challenge)
        duel.wakeups = 0
        duel.advance(5_000_000)
        expect(duel.wakeups, `${size} bytes`).toBeLessThan(30)
      }
    })
})
