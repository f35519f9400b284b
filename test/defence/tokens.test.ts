/** Stateless cookies: what a server spends on, and keeps of, clients that have not proved their address. */
import { describe, expect, it } from "vitest"
import { PacketHeader, parsePacketHeader } from "../../src/wire/PacketHeader.ts"
import { PacketType } from "../../src/wire/PacketType.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import type { Puppet } from "../connection/Puppet.ts"
import { at, Siege, type SiegeOptions } from "./Siege.ts"

const home = at("198.51.100.1")
const forged = (n: number) => at(`203.0.${n >> 8}.${n & 0xff}`, 1_000 + n)

const typeOf = (bytes: Uint8Array): PacketType => {
  const header = new PacketHeader()
  expect(parsePacketHeader(bytes, 0, bytes.length, 8, header, true)).toBe(true)
  return header.type
}

/** A client that has been sent a Retry; what it returns is in its outbox. */
const retried = (siege: Siege, from = home): Puppet => {
  const client = siege.client()
  const answers = siege.deliver(client.outbox.splice(0), from)
  expect(answers.map(typeOf)).toEqual([PacketType.Retry])
  for (const bytes of answers) client.receive(bytes)
  return client
}

/** A server under pressure: as many clients as it takes have begun. */
const underPressure = (options: SiegeOptions = {}): Siege => {
  const siege = new Siege({ limits: { retryHandshakes: 10 }, ...options })
  for (let n = 0; n < 10; n++) siege.deliver(siege.client().outbox, forged(n))
  return siege
}

describe("B2: stateless cookies", () => {
  it("are not asked for while it is quiet, nor ever if that is the policy, and always if it is", () => {
    const asks = (siege: Siege): boolean => {
      const [first] = siege.deliver(siege.client().outbox, home)
      return typeOf(first) === PacketType.Retry
    }
    expect([asks(new Siege()), asks(underPressure())]).toEqual([false, true])
    expect([asks(new Siege({ retry: "never" })), asks(underPressure({ retry: "never" }))]).toEqual([
      false,
      false
    ])
    expect(asks(new Siege({ retry: "always" }))).toBe(true)
  })

  it("are asked for no longer when the pressure is gone", () => {
    const siege = underPressure()
    retried(siege)
    for (let i = 0; i < 3; i++) siege.advance(5_000_000)
    expect(siege.exchange(siege.client(), home).complete).toBe(true)
    expect(
      siege.sent.filter(({ bytes }) => bytes.length > 0 && typeOf(bytes) === PacketType.Retry)
    ).toHaveLength(1)
  })

  it("keep nothing for an address that has not echoed one", () => {
    const siege = underPressure()
    const held = () => [
      siege.endpoint.connections.size,
      siege.endpoint.routedIds,
      siege.incoming.strangers,
      siege.incoming.sources
    ]
    const before = held()
    for (let n = 100; n < 300; n++) siege.deliver(siege.client().outbox, forged(n))
    expect(held()).toEqual(before)
  })

  it("let in who echoes one, under the same pressure", () => {
    const siege = underPressure()
    expect(siege.exchange(siege.client(), home).complete).toBe(true)
  })

  it("are bound to address and port, to the connection ID of the Retry, and to the server", () => {
    const refusal = (siege: Siege, client: Puppet, from = home): number | undefined => {
      for (const bytes of siege.deliver(client.outbox.splice(0), from)) client.receive(bytes)
      return client.seen.close?.code
    }
    const siege = underPressure()
    for (const from of [at("198.51.100.2"), at("198.51.100.1", 1_001)])
      expect(refusal(siege, retried(siege), from)).toBe(TransportErrorCode.INVALID_TOKEN)
    // another server, even with the same random numbers before it
    expect(refusal(new Siege({ retry: "always" }), retried(siege))).toBe(TransportErrorCode.INVALID_TOKEN)
    expect(refusal(siege, retried(siege))).toBeUndefined()
  })

  it("expire", () => {
    const siege = underPressure()
    const client = retried(siege)
    siege.advance(15_000_001)
    for (const bytes of siege.deliver(client.outbox.splice(0), home)) client.receive(bytes)
    expect(client.seen.close?.code).toBe(TransportErrorCode.INVALID_TOKEN)
  })

  it("are spent by the first connection: a copy of the Initial begins no other", () => {
    const siege = underPressure()
    const client = retried(siege)
    const copy = client.outbox.map((bytes) => bytes.slice())
    siege.deliver(client.outbox.splice(0), home)
    const connection = [...siege.endpoint.connections].at(-1)!
    expect(connection.path.remote).toBe(home)
    siege.endpoint.forget(connection)
    const before = siege.endpoint.connections.size
    siege.deliver(copy, home)
    expect(siege.endpoint.connections.size).toBe(before)
  })

  it("cannot be forged: any other bytes are refused, or taken for no token", () => {
    const siege = underPressure()
    const before = siege.endpoint.connections.size
    for (let i = 0; i < 50; i++) {
      const client = retried(siege)
      const [initial] = client.outbox.splice(0)
      const header = new PacketHeader()
      parsePacketHeader(initial, 0, initial.length, 8, header, true)
      initial[header.tokenStart + (i % (header.tokenEnd - header.tokenStart))] ^= 1 << (i % 8)
      siege.deliver([initial], home)
    }
    expect(siege.endpoint.connections.size).toBe(before)
  })

  it("are rationed by limits.retriesPerSecond, three quarters of it for sources that send little", () => {
    const siege = new Siege({ retry: "always", limits: { retriesPerSecond: 800 } })
    const initial = siege.client().outbox[0]
    for (let port = 1; port <= 200; port++) siege.deliver([initial], at("203.0.113.9", port))
    // sixteen before the source counts as busy, and half of a hundred
    expect(siege.sent.length).toBe(16 + 50)
    expect(siege.rateLimited).toBe(200 - 66)
    retried(siege)
    for (let n = 0; n < 200; n++) siege.deliver([initial], forged(n))
    expect(siege.sent.length).toBe(100)
    siege.advance(10_000)
    retried(siege, at("192.0.2.200"))
  })
})
