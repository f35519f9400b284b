/**
 * Answers to PATH_CHALLENGE are 1200 bytes, while a challenge can be 40: they must not be usable for amplification.
 * RFC 9000 §8.2.2, §21.1.1
 */
import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { writePathChallenge } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { away, home, Roamer } from "../migration/Roamer.ts"
import { Duel } from "./Duel.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

const challenges = (duel: Duel, count: number, size = 0): Uint8Array =>
  duel.puppet.packet(
    Level.OneRtt,
    (w) => {
      for (let i = 0; i < count; i++) writePathChallenge(w, new Uint8Array(8).fill(i))
    },
    { size }
  )

/** A duel with a full congestion window: the puppet acknowledges nothing. */
const duelWithFullWindow = (victim: Role): Duel => {
  const duel = new Duel({ victim }).shakeHands()
  const { connection } = duel
  connection.streams.write(connection.streams.open(true), new Uint8Array(100_000))
  duel.exchange()
  expect(connection.path.mayElicit(duel.nowMicros)).toBe(false)
  duel.sent.length = 0
  return duel
}

for (const victim of roles)
  describe(`a ${victim} that receives PATH_CHALLENGE`, () => {
    it("answers all pending challenges in one datagram", () => {
      const duel = new Duel({ victim }).shakeHands()
      duel.sent.length = 0
      duel.inject(challenges(duel, 8))
      expect(duel.puppet.seen.named("onPathResponse").map(({ bytes }) => bytes![0])).toEqual([
        0, 1, 2, 3, 4, 5, 6, 7
      ])
      expect(duel.sent.filter((size) => size >= 1200)).toEqual([1200])
    })

    it("exceeds the window for a peer that acknowledges nothing by at most three times what it receives", () => {
      const duel = new Duel({ victim }).shakeHands()
      const { connection, puppet } = duel
      const window = connection.path.recovery.congestionWindow
      duel.sent.length = 0
      let asked = 0
      for (let i = 0; i < 250; i++) {
        const datagram = challenges(duel, 1)
        asked += datagram.length
        duel.inject(datagram)
      }
      const sent = duel.sent.reduce((sum, size) => sum + size, 0)
      // plus an ACK for every other packet
      expect(sent).toBeLessThan(window + 3 * asked + 125 * 60)
      expect(puppet.seen.named("onPathResponse").length).toBe(250)
    })

    it("does not add to the bytes in flight while the window is full, however often it is asked", () => {
      const duel = duelWithFullWindow(victim)
      const { recovery } = duel.connection.path
      const before = [recovery.packetsInFlight, recovery.bytesInFlight]
      for (let i = 0; i < 250; i++) duel.inject(challenges(duel, 1, 1200))
      expect(duel.puppet.seen.named("onPathResponse").length).toBe(250)
      expect([recovery.packetsInFlight, recovery.bytesInFlight]).toEqual(before)
    })

    it("answers at once while the window is full, with 1200 bytes if it received that much", () => {
      for (const [asked, answered] of [
        [60, 180],
        [399, 1197],
        [400, 1200],
        [1200, 1200]
      ]) {
        const duel = duelWithFullWindow(victim)
        duel.inject(challenges(duel, 1, asked))
        expect(duel.puppet.seen.named("onPathResponse").length).toBe(1)
        expect(Math.max(...duel.sent)).toBeLessThanOrEqual(answered)
        expect(Math.max(...duel.sent) === 1200).toBe(answered === 1200)
      }
    })
  })

describe("a server challenged from a validated address that is not in use", () => {
  it("sends there at most three times what it received from there", () => {
    const other = away(1)
    const roamer = new Roamer().supply(3)
    roamer.ping(other, 1200).answer(other).ping(home, 1200).answer(home)
    const { routes } = roamer.connection.path
    const route = routes.all.find((each) => each.remote.host === other.host)!
    expect([route === routes.current, route.amplification.remaining]).toEqual([
      false,
      Number.POSITIVE_INFINITY
    ])
    roamer.sightings.length = 0
    roamer.from = other
    let asked = 0
    for (let i = 0; i < 30; i++) {
      const datagram = challenges(roamer, 8)
      asked += datagram.length
      roamer.inject(datagram)
    }
    const sent = roamer.sentTo(other).reduce((sum, { size }) => sum + size, 0)
    expect(roamer.at(other, "onPathResponse").length).toBe(240)
    expect(sent).toBeLessThanOrEqual(3 * asked)
  })
})
