import { describe, expect, it } from "vitest"
import { MAX_CANDIDATES } from "../../src/connection/RouteSet.ts"
import { formatAddress } from "../../src/wire/SocketAddress.ts"
import { away, home, Roamer } from "./Roamer.ts"

const SECOND = 1_000_000
const B = away(1)

describe("a server whose client's packets come from another address", () => {
  // RFC 9000 §9 #4, §9.3 #1, §9.3.3 #1
  it("follows the newest, and asks both the new address and the old", () => {
    const it = new Roamer().ping(B)
    expect(it.remote).toBe(formatAddress(B))
    expect(it.at(B, "onPathChallenge").length).toBeGreaterThan(0)
    expect(it.at(home, "onPathChallenge").length).toBeGreaterThan(0)
  })

  // RFC 9000 §8.2.2 #3
  it("does not follow a probing packet, and answers it where it came from", () => {
    const it = new Roamer().probe(B)
    expect(it.remote).toBe(formatAddress(home))
    expect(it.at(B, "onPathResponse").length).toBe(1)
    expect(it.at(home, "onPathResponse").length).toBe(0)
    expect(it.sentTo(B)[0].size).toBeGreaterThanOrEqual(1200)
  })

  // RFC 9000 §9.6.3 #S2
  it("asks at the address that a probing packet came from, so that it is proven when the client comes", () => {
    const it = new Roamer().probe(B)
    expect(it.at(B, "onPathChallenge").length).toBe(1)
    it.answer(B).ping(B)
    expect(it.remote).toBe(formatAddress(B))
    expect(it.connection.path.routes.current.isProven).toBe(true)
  })

  it("does not follow a packet that is not the newest", () => {
    const it = new Roamer()
    const late = it.puppet.packet(3, Uint8Array.of(1))
    it.ping(home)
    it.from = B
    it.inject(late)
    expect(it.remote).toBe(formatAddress(home))
    expect(it.sentTo(B)).toEqual([])
  })

  // RFC 9000 §8 #1, §9.3 #2
  it("sends no more than three times what came from there before it is validated", () => {
    const it = new Roamer()
    const stream = it.connection.streams
    const id = stream.open(true)
    stream.write(id, new Uint8Array(50_000))
    it.sightings.length = 0
    it.ping(B, 300)
    const sent = () => it.sentTo(B).reduce((sum, { size }) => sum + size, 0)
    expect(sent()).toBeLessThanOrEqual(900)
    it.advance(2 * SECOND)
    expect(sent()).toBeLessThanOrEqual(900)
    const before = sent()
    it.answer(B)
    expect(sent()).toBeGreaterThan(before)
  })

  // RFC 9000 §9.3.2 #1
  it("goes back to the old address when the new one does not answer", () => {
    const it = new Roamer().ping(B)
    it.advance(10 * SECOND)
    expect(it.remote).toBe(formatAddress(home))
    expect(it.connection.lifecycle.state).toBe("established")
  })

  // RFC 9000 §9.3.2 #2
  it("ends without a word when the new one does not answer and no old one is known", () => {
    const it = new Roamer().ping(B)
    it.connection.abandonRoute(0)
    const sent = it.sightings.length
    it.advance(10 * SECOND)
    expect(it.connection.lifecycle.state).toBe("closed")
    expect(it.puppet.seen.named("onConnectionClose")).toEqual([])
    for (const { to } of it.sightings.slice(sent)) expect(to).toBe(formatAddress(B))
  })

  it("goes back at once when the client, asked at its old address, says that it is there", () => {
    const it = new Roamer().ping(B)
    it.answer(home).ping(home)
    expect(it.remote).toBe(formatAddress(home))
    it.advance(10 * SECOND)
    expect(it.remote).toBe(formatAddress(home))
  })

  // RFC 9000 §8.2.2 #4
  it("takes an answer that comes over another path", () => {
    const it = new Roamer().ping(B)
    it.answer(B, home)
    expect(it.connection.path.amplification.validated).toBe(true)
  })

  it("takes nobody's word for it: a wrong answer proves nothing", () => {
    const it = new Roamer().ping(B)
    it.answer(home, B)
    expect(it.connection.path.amplification.validated).toBe(false)
  })

  it("keeps a bounded number of addresses, however many probe it", () => {
    const it = new Roamer()
    for (let i = 1; i <= 100; i++) it.probe(away(i))
    expect(it.connection.path.routes.all.length).toBeLessThanOrEqual(MAX_CANDIDATES + 2)
    it.ping(home)
    expect(it.connection.lifecycle.state).toBe("established")
  })

  it("survives a client that is everywhere at once", () => {
    const it = new Roamer({ transport: { activeConnectionIdLimit: 8 } }).supply(5)
    for (let i = 1; i <= 200; i++) it.ping(away(i % 50))
    expect(it.connection.path.routes.all.length).toBeLessThanOrEqual(MAX_CANDIDATES + 2)
    it.ping(B).answer(B).answer(B)
    it.advance(10 * SECOND)
    expect(it.remote).toBe(formatAddress(B))
  })

  // RFC 9000 §14 #1, §14.2 #1
  it("does not stay where nothing as large as 1200 bytes arrives", () => {
    const it = new Roamer().ping(B).answer(B)
    expect(it.sentTo(B).at(-1)!.size).toBeGreaterThanOrEqual(1200)
    it.advance(10 * SECOND)
    expect(it.remote).toBe(formatAddress(home))
  })

  // RFC 9000 §9.5 #2
  it("addresses a client that moved of its own will by an ID not used before", () => {
    const it = new Roamer().supply(3)
    it.ping(home).ping(home)
    const before = it.sentTo(home)[0].destination
    it.puppet.destination = it.issued[0].slice()
    it.ping(B)
    for (const { destination } of it.sentTo(B)) expect(destination).not.toBe(before)
    expect(it.remote).toBe(formatAddress(B))
  })

  it("cannot follow it there while it has no such ID, and does as soon as it has", () => {
    const it = new Roamer()
    it.puppet.destination = it.issued[0].slice()
    it.ping(B)
    expect(it.sentTo(B)).toEqual([])
    it.supply(1).ping(B)
    expect(it.remote).toBe(formatAddress(B))
  })

  it("keeps the ID of one whose NAT forgot", () => {
    const it = new Roamer().supply(3)
    it.ping(home).ping(home)
    const before = it.sentTo(home)[0].destination
    it.ping({ ...home, port: 999 })
    expect(it.sentTo({ ...home, port: 999 })[0].destination).toBe(before)
  })

  // RFC 9000 §9.4 #2
  it("measures anew when more than the port changed, and only then", () => {
    const it = new Roamer()
    const { recovery } = it.connection.path
    const before = recovery.congestion
    it.ping({ ...home, port: 999 }).answer({ ...home, port: 999 })
    expect(recovery.congestion).toBe(before)
    it.ping(B)
    expect(recovery.congestion).not.toBe(before)
  })

  // RFC 9000 §9 #3
  it("ignores what comes from elsewhere after it has declared disable_active_migration", () => {
    const it = new Roamer({ transport: { disableActiveMigration: true } })
    it.ping(B).probe(B)
    expect(it.sentTo(B)).toEqual([])
    expect(it.remote).toBe(formatAddress(home))
  })

  it("still finds the connection when the peer resets it from its new address", () => {
    const it = new Roamer().supply(2)
    it.puppet.destination = it.issued[0].slice()
    it.ping(B).answer(B)
    const reset = new Uint8Array(60).fill(0x55)
    reset[0] = 0x41
    reset.set(new Uint8Array(16).fill(1), 44)
    it.endpoint.handleDatagram(reset, B, 0, it.nowMicros)
    expect(it.connection.closeReason?.origin).toBe("statelessReset")
  })
})
