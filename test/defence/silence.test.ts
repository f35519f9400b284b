/** What is dropped, and that nobody hears of it. */
import { describe, expect, it } from "vitest"
import { writePing } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { Duel, puppetAddress } from "../connection/Duel.ts"
import { at, Siege } from "./Siege.ts"

const bytesTo = (siege: Siege, host: string): number =>
  siege.sent.reduce((sum, { bytes, to }) => sum + (to.host === host ? bytes.length : 0), 0)

describe("B6: an endpoint", () => {
  for (const victim of ["client", "server"] as const)
    it(`as a ${victim} drops replays, duplicates and packets too old to tell, and answers none of them`, () => {
      const duel = new Duel({ victim }).shakeHands()
      const { puppet, connection } = duel
      const old = puppet.packet(Level.OneRtt, writePing)
      const packet = puppet.packet(Level.OneRtt, writePing)
      duel.inject(packet)
      // with a gap after each, so that the oldest ranges are forgotten
      for (let i = 0; i < 600; i++) {
        puppet.nextPacketNumber[2]++
        duel.inject(puppet.packet(Level.OneRtt, writePing))
      }
      const { received, duplicates } = connection.receiver.counters
      duel.sent.length = 0
      for (let i = 0; i < 5; i++) duel.inject(packet)
      duel.inject(old)
      expect(connection.receiver.counters).toMatchObject({ received, duplicates: duplicates + 6 })
      expect(duel.sent).toEqual([])
      expect(connection.closeReason).toBeUndefined()
    })

  it("meets malformed and unauthenticated packets with silence, and a connection outlives them", () => {
    const duel = new Duel({ victim: "server" }).shakeHands()
    const { puppet, connection } = duel
    const genuine = puppet.packet(Level.OneRtt, writePing)
    duel.sent.length = 0
    // the first byte and the connection ID say where a packet belongs; the rest is protected
    for (let i = 9; i < genuine.length; i++) {
      const damaged = genuine.slice()
      damaged[i] ^= 0x10
      duel.inject(damaged)
    }
    for (let length = 9; length < genuine.length; length++) duel.inject(genuine.slice(0, length))
    const siege = new Siege()
    for (let size = 0; size < 1_200; size += 7)
      siege.deliver([siege.random.bytes(size).fill(0xff, 0, 1)], puppetAddress)
    expect([duel.sent.length, siege.sent.length]).toEqual([0, 0])
    expect(connection.closeReason).toBeUndefined()
    const { received } = connection.receiver.counters
    duel.inject(genuine)
    expect(connection.receiver.counters.received).toBe(received + 1)
  })

  it("sends at most three times what it received to an address that is not validated, whatever time passes", () => {
    const siege = new Siege({ retry: "never" })
    const { host } = at("198.51.100.1")
    siege.deliver(siege.client().outbox, at(host))
    for (let millis = 0; millis < 20_000; millis += 50) {
      siege.advance(50_000)
      expect(bytesTo(siege, host)).toBeLessThanOrEqual(3 * 1200)
    }
    expect(bytesTo(siege, host)).toBeGreaterThan(1200)
  })

  it("answers without a connection with less than it was sent, at most once", () => {
    const short = (size: number) => (siege: Siege) => siege.random.bytes(size).fill(0x41, 0, 1)
    const initial = (siege: Siege) => siege.client().outbox[0]
    const unknownVersion = (siege: Siege) => siege.client().outbox[0].fill(0x1a, 1, 5)
    const full = { handshakes: 1, waitingClients: 1, handshakesPerSource: 1 }
    for (const [retry, make] of [
      ["always", initial],
      ["never", initial],
      ["never", unknownVersion],
      ["never", short(43)],
      ["never", short(1_200)]
    ] as const) {
      const siege = new Siege({ retry, limits: full })
      if (retry === "never")
        for (let n = 0; n < 2; n++) siege.deliver(siege.client().outbox, at(`192.0.2.${n + 1}`))
      const datagram = make(siege)
      const answers = siege.deliver([datagram], at("198.51.100.1"))
      expect(answers).toHaveLength(1)
      expect(answers[0].length).toBeLessThan(datagram.length)
    }
  })
})
