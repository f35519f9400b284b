/** Handshakes in flight: how many, from where, and for how long. */
import { describe, expect, it } from "vitest"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import { at, Siege } from "./Siege.ts"

const host = at("198.51.100.1")
const elsewhere = at("203.0.113.1")
const others = (count: number) => Array.from({ length: count }, (_, i) => at(`203.0.113.${i + 1}`))

describe("B3: handshakes in flight", () => {
  it("are at most 100, of which one IPv4 address has 5, whatever its ports", () => {
    const siege = new Siege({ retry: "never" })
    for (let port = 1; port <= 50; port++) siege.deliver(siege.client().outbox, at("198.51.100.1", port))
    expect(siege.inFlight).toBe(5)
    for (const from of others(30)) for (let i = 0; i < 4; i++) siege.deliver(siege.client().outbox, from)
    expect(siege.inFlight).toBe(100)
    expect(siege.incoming.strangers).toBe(50 + 120)
  })

  it("are counted by /64 for IPv6, and by the whole address where hosts share the prefix", () => {
    const beginAt = (...hosts: ReadonlyArray<string>): number => {
      const siege = new Siege({ retry: "never" })
      for (const each of hosts) for (let i = 0; i < 4; i++) siege.deliver(siege.client().outbox, at(each))
      return siege.inFlight
    }
    expect(beginAt("2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:ffff::")).toBe(5)
    expect(beginAt("2001:db8:1:2::1", "2001:db8:1:3::1", "2001:db8:1::2")).toBe(12)
    // hosts of one link, and IPv4 hosts behind one translator
    expect(beginAt("fe80::1", "fe80::2:1:2:3")).toBe(8)
    expect(beginAt("64:ff9b::c000:201", "64:ff9b::c000:202")).toBe(8)
  })

  it("of one host never stop another: its client is the next to begin", () => {
    const siege = new Siege({ retry: "never" })
    for (let i = 0; i < 200; i++) siege.deliver(siege.client().outbox, host)
    const honest = siege.exchange(siege.client(), elsewhere)
    expect(honest.complete).toBe(true)
  })

  it("of a host that answers every Retry do not, either", () => {
    const siege = new Siege({ retry: "always", limits: { waitingClients: 50 } })
    for (let i = 0; i < 200; i++) {
      const client = siege.client()
      for (const bytes of siege.deliver(client.outbox.splice(0), host)) client.receive(bytes)
      siege.deliver(client.outbox, host)
    }
    expect(siege.inFlight).toBe(5)
    expect(siege.incoming.strangers).toBe(55)
    expect(siege.exchange(siege.client(), elsewhere).complete).toBe(true)
    // one of the host's clients left its place for the other
    expect(siege.incoming.strangers).toBe(54)
  })

  it("that end make room: a crowd behind one address is served in turns, and nobody is refused", () => {
    const siege = new Siege({ retry: "never" })
    const crowd = Array.from({ length: 60 }, () => siege.client())
    for (const [port, client] of crowd.entries())
      siege.endpoint.handleDatagram(client.outbox.splice(0)[0], at("198.51.100.1", port), 0, siege.nowMicros)
    for (let round = 0; round < 60; round++) {
      siege.advance(1_000)
      for (const { bytes, to } of siege.sent.splice(0)) crowd[to.port].receive(bytes)
      for (const [port, client] of crowd.entries())
        siege.deliver(client.outbox.splice(0), at("198.51.100.1", port))
    }
    expect(crowd.filter(({ complete }) => complete)).toHaveLength(60)
    expect(siege.incoming.strangers).toBe(0)
  })

  it("that go nowhere are swept after the handshake timeout, and the table shrinks to nothing", () => {
    const siege = new Siege({ retry: "never" })
    for (const from of others(100)) siege.deliver(siege.client().outbox, from)
    const late = siege.client()
    siege.deliver(late.outbox, host)
    expect([siege.inFlight, siege.incoming.strangers, siege.incoming.sources]).toEqual([100, 101, 101])
    siege.advance(5_000_000)
    siege.advance(5_000_000)
    expect([siege.inFlight, siege.incoming.strangers, siege.incoming.sources]).toEqual([0, 0, 0])
    expect([siege.endpoint.connections.size, siege.endpoint.routedIds]).toEqual([0, 0])
  })

  it("a client that waited for half of the handshake timeout is refused, though nothing else happens", () => {
    const siege = new Siege({ retry: "never", limits: { handshakes: 1 } })
    siege.deliver(siege.client().outbox, host)
    const late = siege.client()
    expect(siege.deliver(late.outbox, elsewhere)).toEqual([])
    expect(siege.incoming.deadlineMicros).toBe(1_000_000 + 2_500_001)
    siege.advance(2_500_001)
    late.receive(siege.sent.find(({ to }) => to === elsewhere)!.bytes)
    expect(late.seen.close?.code).toBe(TransportErrorCode.CONNECTION_REFUSED)
  })
})
