/** The connection IDs an endpoint issues, as seen by the peer and by observers. RFC 9000 §5.1, §10.3.2 */
import type { Role } from "../../src/wire/Role.ts"
import { describe, expect, it } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { resetTokens } from "../../src/path/statelessReset.ts"
import { writePing, writeRetireConnectionId } from "../../src/wire/frameWriters.ts"
import { Level } from "../../src/wire/PacketType.ts"
import { CorePair } from "./CorePair.ts"
import { Duel } from "./Duel.ts"
import { suite } from "../io.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** Every ID the victim has issued to the puppet, starting with the handshake's. */
const issuedBy = ({ connection, puppet }: Duel): ReadonlyArray<Uint8Array> => [
  connection.parts.localInitialId,
  ...puppet.seen.named("onNewConnectionId").map(({ bytes }) => bytes!)
]

/** The puppet retires the ID with this sequence number, in a packet to `destination`. */
const retire = (duel: Duel, sequence: number, destination: Uint8Array): Duel =>
  duel.inject(duel.puppet.packet(Level.OneRtt, (w) => writeRetireConnectionId(w, sequence), { destination }))

const isAnswered = (duel: Duel, destination: Uint8Array): boolean => {
  const { counters } = duel.connection.receiver
  const before = counters.received
  duel.inject(duel.puppet.packet(Level.OneRtt, writePing, { destination }))
  return counters.received > before
}

for (const victim of roles)
  describe(`the connection IDs of a ${victim}`, () => {
    // RFC 9000 §5.1 #1 #2, §10.3.2 #2
    it("are random bytes of equal length, and none is issued twice", () => {
      const duel = new Duel({ victim }).shakeHands()
      for (let sequence = 0; sequence < 200; sequence++) {
        duel.puppet.destination = issuedBy(duel).at(-1)!
        retire(duel, sequence, duel.puppet.destination)
        duel.inject(duel.puppet.packet(Level.OneRtt, duel.puppet.ackAll(Level.OneRtt)))
      }
      const ids = issuedBy(duel)
      expect(ids.length).toBeGreaterThan(200)
      expect(new Set(ids.map(hex)).size).toBe(ids.length)
      for (let at = 0; at < 8; at++) {
        // about 140 of 200 random bytes differ; a counter or a per-connection tag would not reach 100
        expect(new Set(ids.map((id) => id[at])).size, `byte ${at}`).toBeGreaterThan(100)
        expect(new Set(ids.map((id, i) => (id[at] - (ids[i - 1]?.[at] ?? 0)) & 0xff)).size).toBeGreaterThan(
          100
        )
      }
      expect(ids.every((id) => id.length === 8)).toBe(true)
    })

    // RFC 9000 §5.1.1 #2, §5.1.2 #S2
    it("are all accepted for the lifetime of the connection, until they are retired", () => {
      const duel = new Duel({ victim, transport: { maxIdleTimeout: 0 } }).shakeHands()
      const ids = issuedBy(duel)
      expect(ids.length).toBe(3)
      for (const id of ids) expect(isAnswered(duel, id)).toBe(true)
      duel.advance(60_000_000)
      for (const id of ids) expect(isAnswered(duel, id)).toBe(true)
      retire(duel, 2, ids[0])
      ids.forEach((id, sequence) => {
        expect(isAnswered(duel, id), `number ${sequence}`).toBe(sequence !== 2)
      })
    })
  })

for (const victim of roles)
  it(`no packet of a ${victim} is too short to be answered by a stateless reset, RFC 9000 §10.3 #S2`, () => {
    const duel = new Duel({ victim }).shakeHands().advance(1_000_000)
    duel.sent.length = 0
    duel.connection.ping()
    duel.exchange()
    expect(duel.sent).toEqual([22 + 8])
    duel.inject(duel.puppet.packet(Level.OneRtt, writePing)).advance(100_000)
    expect(Math.min(...duel.sent)).toBeGreaterThanOrEqual(22 + 8)
  })

describe("stateless reset tokens", () => {
  const tokensOf = (seed: string) => {
    const key = new SeededRandom(seed).bytes(32)
    return resetTokens((id) => suite.hmac("sha256", key, id))
  }

  // RFC 9000 §10.3.2 #5
  it("differ for each connection ID", () => {
    const tokenOf = tokensOf("one key")
    const tokens = new Set<string>()
    for (let i = 0; i < 256; i++) tokens.add(hex(tokenOf(Uint8Array.of(i, 2, 3, 4))))
    for (let length = 5; length <= 20; length++) tokens.add(hex(tokenOf(new Uint8Array(length))))
    expect(tokens.size).toBe(256 + 16)
  })

  // RFC 9000 §10.3.2 #3 #4
  it("depend on the endpoint's key: another endpoint, or the same one restarted, has other tokens and IDs", () => {
    const one = new Duel({ victim: "server", seed: "one" }).shakeHands()
    const two = new Duel({ victim: "server", seed: "two" }).shakeHands()
    const ids = [one, two].map((duel) => issuedBy(duel).map(hex))
    expect(ids[0].filter((id) => ids[1].includes(id))).toEqual([])
    for (const id of issuedBy(one))
      expect(one.connection.config.makeResetToken(id)).not.toEqual(two.connection.config.makeResetToken(id))
    // nor does an endpoint reuse the ID of a reset connection for the next
    const { endpoint } = one
    const before = new Set(ids[0])
    endpoint.forget(one.connection)
    for (let i = 0; i < 500; i++) before.add(hex(one.connection.config.makeConnectionId()))
    expect(before.size).toBe(ids[0].length + 500)
  })
})

describe("a server without a matching connection", () => {
  // RFC 9000 §5.2.2 #2
  it("drops Handshake and 0-RTT packets, Retries, and Initials while it accepts no clients", () => {
    const pair = new CorePair({ retry: "always", between: () => undefined })
    const [{ bytes: initial }] = pair.exchange().datagrams
    const endpoint = pair.ends.server
    const answers = (bytes: Uint8Array): boolean => {
      pair.deliver("server", bytes)
      return pair.server !== undefined || endpoint.pollReply() !== undefined
    }
    for (const type of [0xd0, 0xf0]) {
      const packet = initial.slice()
      packet[0] = type | (packet[0] & 0x0f)
      expect(answers(packet), type.toString(16)).toBe(false)
    }
    // RFC 9000 §10.3 allows a stateless reset for a Handshake packet: its client may believe in a connection
    const handshake = initial.slice()
    handshake[0] = 0xe0 | (handshake[0] & 0x0f)
    pair.deliver("server", handshake)
    expect(pair.server).toBeUndefined()
    const reset = endpoint.pollReply()!.bytes
    expect(reset[0] & 0xc0).toBe(0x40)
    expect(reset.length).toBeLessThan(handshake.length)
    expect(endpoint.pollReply()).toBeUndefined()
    endpoint.incoming!.accepting = false
    expect(answers(initial)).toBe(false)
    endpoint.incoming!.accepting = true
    expect(answers(initial)).toBe(true)
  })
})
