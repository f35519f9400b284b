import { describe, expect, it } from "vitest"
import { MAX_CANDIDATES } from "../../src/connection/RouteSet.ts"
import { formatAddress } from "../../src/wire/SocketAddress.ts"
import { away, home, Roamer } from "./Roamer.ts"

const SECOND = 1_000_000
const B = away(1)

describe("a server whose client's packets come from another address", () => {
  // RFC 9000 §9 #4, §9.3 #1, §9.3.3 #1
  it("follows the newest packet, and challenges both the new and the old address", () => {
    const roamer = new Roamer().ping(B)
    expect(roamer.remote).toBe(formatAddress(B))
    expect(roamer.at(B, "onPathChallenge").length).toBeGreaterThan(0)
    expect(roamer.at(home, "onPathChallenge").length).toBeGreaterThan(0)
  })

  // RFC 9000 §8.2.2 #3
  it("does not follow a probing packet, and answers it at its source", () => {
    const roamer = new Roamer().probe(B)
    expect(roamer.remote).toBe(formatAddress(home))
    expect(roamer.at(B, "onPathResponse").length).toBe(1)
    expect(roamer.at(home, "onPathResponse").length).toBe(0)
    expect(roamer.sentTo(B)[0].size).toBeGreaterThanOrEqual(1200)
  })

  // RFC 9000 §9.6.3 #S2
  it("challenges the source of a probing packet, so that it is validated when the client migrates", () => {
    const roamer = new Roamer().probe(B)
    expect(roamer.at(B, "onPathChallenge").length).toBe(1)
    roamer.answer(B).ping(B)
    expect(roamer.remote).toBe(formatAddress(B))
    expect(roamer.connection.path.routes.current.isProven).toBe(true)
  })

  it("does not follow a packet that is not the newest", () => {
    const roamer = new Roamer()
    const late = roamer.puppet.packet(3, Uint8Array.of(1))
    roamer.ping(home)
    roamer.from = B
    roamer.inject(late)
    expect(roamer.remote).toBe(formatAddress(home))
    expect(roamer.sentTo(B)).toEqual([])
  })

  // RFC 9000 §8 #1, §9.3 #2
  it("sends no more than three times what it received from there before validation", () => {
    const roamer = new Roamer()
    const stream = roamer.connection.streams
    const id = stream.open(true)
    stream.write(id, new Uint8Array(50_000))
    roamer.sightings.length = 0
    roamer.ping(B, 300)
    const sent = () => roamer.sentTo(B).reduce((sum, { size }) => sum + size, 0)
    expect(sent()).toBeLessThanOrEqual(900)
    roamer.advance(2 * SECOND)
    expect(sent()).toBeLessThanOrEqual(900)
    const before = sent()
    roamer.answer(B)
    expect(sent()).toBeGreaterThan(before)
  })

  // RFC 9000 §9.3.2 #1
  it("reverts to the old address when the new one does not answer", () => {
    const roamer = new Roamer().ping(B)
    roamer.advance(10 * SECOND)
    expect(roamer.remote).toBe(formatAddress(home))
    expect(roamer.connection.lifecycle.state).toBe("established")
  })

  // RFC 9000 §9.3.2 #2
  it("ends silently when the new one does not answer and no old one is known", () => {
    const roamer = new Roamer().ping(B)
    roamer.connection.abandonRoute(0, roamer.nowMicros)
    const sent = roamer.sightings.length
    roamer.advance(10 * SECOND)
    expect(roamer.connection.lifecycle.state).toBe("closed")
    expect(roamer.puppet.seen.named("onConnectionClose")).toEqual([])
    for (const { to } of roamer.sightings.slice(sent)) expect(to).toBe(formatAddress(B))
  })

  it("reverts at once when the client answers the challenge at its old address", () => {
    const roamer = new Roamer().ping(B)
    roamer.answer(home).ping(home)
    expect(roamer.remote).toBe(formatAddress(home))
    roamer.advance(10 * SECOND)
    expect(roamer.remote).toBe(formatAddress(home))
  })

  // RFC 9000 §8.2.2 #4
  it("accepts a response that arrives over another path", () => {
    const roamer = new Roamer().ping(B)
    roamer.answer(B, home)
    expect(roamer.connection.path.amplification.validated).toBe(true)
  })

  it("ignores a wrong response", () => {
    const roamer = new Roamer().ping(B)
    roamer.answer(home, B)
    expect(roamer.connection.path.amplification.validated).toBe(false)
  })

  it("keeps a bounded number of addresses, however many probe it", () => {
    const roamer = new Roamer()
    for (let i = 1; i <= 100; i++) roamer.probe(away(i))
    expect(roamer.connection.path.routes.all.length).toBeLessThanOrEqual(MAX_CANDIDATES + 2)
    roamer.ping(home)
    expect(roamer.connection.lifecycle.state).toBe("established")
  })

  it("survives a client that sends from everywhere at once", () => {
    const roamer = new Roamer({ transport: { activeConnectionIdLimit: 8 } }).supply(5)
    for (let i = 1; i <= 200; i++) roamer.ping(away(i % 50))
    expect(roamer.connection.path.routes.all.length).toBeLessThanOrEqual(MAX_CANDIDATES + 2)
    roamer.ping(B).answer(B).answer(B)
    roamer.advance(10 * SECOND)
    expect(roamer.remote).toBe(formatAddress(B))
  })

  // RFC 9000 §14 #1, §14.2 #1
  it("does not stay on a path that cannot carry 1200 bytes", () => {
    const roamer = new Roamer().ping(B).answer(B)
    expect(roamer.sentTo(B).at(-1)!.size).toBeGreaterThanOrEqual(1200)
    roamer.advance(10 * SECOND)
    expect(roamer.remote).toBe(formatAddress(home))
  })

  // RFC 9000 §9.5 #2
  it("uses a fresh ID for a client that migrated deliberately", () => {
    const roamer = new Roamer().supply(3)
    roamer.ping(home).ping(home)
    const before = roamer.sentTo(home)[0].destination
    roamer.puppet.destination = roamer.issued[0].slice()
    roamer.ping(B)
    for (const { destination } of roamer.sentTo(B)) expect(destination).not.toBe(before)
    expect(roamer.remote).toBe(formatAddress(B))
  })

  it("cannot follow while it has no spare ID, and does as soon as it has one", () => {
    const roamer = new Roamer()
    roamer.puppet.destination = roamer.issued[0].slice()
    roamer.ping(B)
    expect(roamer.sentTo(B)).toEqual([])
    roamer.supply(1).ping(B)
    expect(roamer.remote).toBe(formatAddress(B))
  })

  it("keeps the ID of a client whose NAT rebound", () => {
    const roamer = new Roamer().supply(3)
    roamer.ping(home).ping(home)
    const before = roamer.sentTo(home)[0].destination
    roamer.ping({ ...home, port: 999 })
    expect(roamer.sentTo({ ...home, port: 999 })[0].destination).toBe(before)
  })

  // RFC 9000 §9.4 #2
  it("resets RTT and congestion state when more than the port changed, and only then", () => {
    const roamer = new Roamer()
    const { recovery } = roamer.connection.path
    const before = recovery.congestion
    roamer.ping({ ...home, port: 999 }).answer({ ...home, port: 999 })
    expect(recovery.congestion).toBe(before)
    roamer.ping(B)
    expect(recovery.congestion).not.toBe(before)
  })

  // RFC 9000 §9 #3
  it("A3 ignores who moves after it has declared disable_active_migration, and follows a NAT that rebinds", () => {
    const disabled = { transport: { disableActiveMigration: true } }
    const mover = new Roamer(disabled)
    mover.puppet.destination = mover.issued[0].slice()
    mover.ping(B).probe(B)
    expect(mover.sentTo(B)).toEqual([])
    expect(mover.remote).toBe(formatAddress(home))

    const rebound = new Roamer(disabled).ping(home).ping(B).answer(B)
    expect(rebound.remote).toBe(formatAddress(B))
    // while B is being validated, a further address may be a move
    const doubtful = new Roamer(disabled).ping(home).ping(B).ping(away(2))
    expect(doubtful.sentTo(away(2))).toEqual([])
    expect(doubtful.remote).toBe(formatAddress(B))
    // one that was probed first was no accident
    const probed = new Roamer(disabled).ping(home).probe(B).ping(B)
    expect(probed.remote).toBe(formatAddress(home))
  })

  it("A3 takes a return after more than 30 seconds of being seen there for a change of topology", () => {
    const reasons = (roamer: Roamer) => {
      const { migrationTrace } = roamer.connection.parts
      const found: Array<string | undefined> = []
      for (
        let entry = migrationTrace.from(1);
        entry !== undefined;
        entry = migrationTrace.from(entry.number + 1)
      )
        if (entry._tag === "Requested") found.push(entry.reason)
      return found
    }
    for (const [seconds, expected] of [
      [29, "NatRebinding"],
      [31, "ActiveMigration"]
    ] as const) {
      const roamer = new Roamer().ping(home)
      roamer.probe(B).answer(B)
      roamer.from = home
      for (let i = 0; i < seconds; i++) {
        roamer.nowMicros += 1_000_000
        roamer.ping(home)
      }
      expect(reasons(roamer)).toEqual([])
      roamer.ping(B)
      expect(reasons(roamer)).toEqual([expected])
    }
  })

  it("still finds the connection when the peer resets it from its new address", () => {
    const roamer = new Roamer().supply(2)
    roamer.puppet.destination = roamer.issued[0].slice()
    roamer.ping(B).answer(B)
    const reset = new Uint8Array(60).fill(0x55)
    reset[0] = 0x41
    reset.set(new Uint8Array(16).fill(1), 44)
    roamer.endpoint.handleDatagram(reset, B, 0, roamer.nowMicros)
    expect(roamer.connection.closeReason?.origin).toBe("statelessReset")
  })
})
