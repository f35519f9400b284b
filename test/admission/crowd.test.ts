/** More honest clients than there is time for: as many as possible are served, and the others are refused. */
import { describe, expect, it } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { defaultLimits } from "../../src/admission/Limits.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import { Endpoint } from "../../src/endpoint/Endpoint.ts"
import type { SocketAddress } from "../../src/wire/SocketAddress.ts"
import { TransportErrorCode } from "../../src/wire/TransportError.ts"
import { Duel, puppetAddress, rawIdentity, tlsSettings, transportSettings } from "../connection/Duel.ts"
import { Puppet } from "../connection/Puppet.ts"
import { suite } from "../io.ts"

/** The server's cost of a handshake, in this simulation. */
const COST_MICROS = 20_000
const CLIENTS = 300

const random = new SeededRandom("crowd")

const makeServer = () => {
  const tls = tlsSettings(rawIdentity(random))
  const transport = transportSettings({ handshakeTimeout: 4_000 })
  const retry = "never" as const
  const server = { tls, transport, retry }
  // all clients come at once, from one address
  const limits = { ...defaultLimits, strangerPacketsAtOnce: 2 * CLIENTS }
  const endpoint = new Endpoint({ suite, random: random.bytes, connectionIdBytes: 8, limits, server })
  endpoint.incoming!.isDeferred = true
  return endpoint
}

const makeClient = (): Puppet => {
  const puppet = new Puppet({
    role: "client",
    suite,
    random: random.bytes,
    identity: undefined,
    groups: [0x001d]
  })
  puppet.start()
  return puppet
}

describe("a crowd of clients", () => {
  it("is served at the sequential rate, and those that would time out are refused at once", () => {
    const endpoint = makeServer()
    const clients = new Map<number, Puppet>()
    const connections = new Map<Connection, Puppet>()
    const buffer = new Uint8Array(2000)
    let nowMicros = 1_000_000
    const addressOf = (port: number): SocketAddress => ({ host: "192.0.2.9", port, family: 4 })
    /** Delivers a client's outbox to the server. */
    const deliver = (port: number): void => {
      for (const bytes of clients.get(port)!.outbox.splice(0))
        endpoint.handleDatagram(bytes, addressOf(port), 0, nowMicros)
    }
    const answer = (connection: Connection, client: Puppet): void => {
      connections.set(connection, client)
      for (;;) {
        const end = connection.pollTransmit(buffer, 0, nowMicros)
        if (end === 0) break
        client.receive(buffer.slice(0, end))
      }
      endpoint.routeIds(connection)
    }
    for (let port = 1; port <= CLIENTS; port++) {
      clients.set(port, makeClient())
      deliver(port)
    }
    const refusedAfter: Array<number> = []
    const servedAfter: Array<number> = []
    while (endpoint.incoming!.hasWaiting) {
      const connection = endpoint.incoming!.admit(nowMicros)
      for (let reply = endpoint.pollReply(); reply !== undefined; reply = endpoint.pollReply()) {
        const client = clients.get(reply.to.port)!
        client.receive(reply.bytes)
        expect(client.seen.close?.code).toBe(TransportErrorCode.CONNECTION_REFUSED)
        refusedAfter.push(nowMicros - 1_000_000)
      }
      nowMicros += COST_MICROS
      if (connection === undefined) continue
      const { port } = connection.path.remote
      answer(connection, clients.get(port)!)
      deliver(port)
      answer(connection, clients.get(port)!)
      if (connection.lifecycle.state === "established") servedAfter.push(nowMicros - 1_000_000)
    }
    // half of the timeout may be spent waiting, which is 100 handshakes
    expect(servedAfter.length).toBeGreaterThanOrEqual(98)
    expect(servedAfter.length).toBeLessThanOrEqual(104)
    expect(Math.max(...servedAfter)).toBeLessThanOrEqual(2_000_000 + 3 * COST_MICROS)
    expect(servedAfter.length + refusedAfter.length).toBe(CLIENTS)
    // as soon as the reply budget allows
    expect(Math.max(...refusedAfter)).toBeLessThan(1_000_000)
    expect(endpoint.incoming!.strangers).toBe(0)
    expect(connections.size).toBe(servedAfter.length)
  })
})

describe("a server that stops accepting clients", () => {
  it("refuses those still waiting", () => {
    const endpoint = makeServer()
    const client = makeClient()
    for (const bytes of client.outbox.splice(0)) endpoint.handleDatagram(bytes, puppetAddress, 0, 1_000_000)
    expect(endpoint.incoming!.strangers).toBe(1)
    endpoint.incoming!.accepting = false
    expect(endpoint.incoming!.admit(1_000_000)).toBeUndefined()
    client.receive(endpoint.pollReply()!.bytes)
    expect(client.seen.close?.code).toBe(TransportErrorCode.CONNECTION_REFUSED)
    expect([endpoint.incoming!.strangers, endpoint.connections.size, endpoint.routedIds]).toEqual([0, 0, 0])
  })
})

describe("one of many clients on a busy host", () => {
  it("has its full timeout from its first datagram on, not from when the host was busy with others", () => {
    const duel = new Duel({ victim: "client", transport: { handshakeTimeout: 3_000 } })
    duel.receive = (datagram) => duel.sent.push(datagram.length)
    duel.nowMicros += 2_500_000
    duel.exchange().advance(2_900_000)
    expect(duel.connection.closeReason).toBeUndefined()
    duel.advance(200_000)
    expect(duel.connection.closeReason).toMatchObject({ origin: "handshakeTimeout" })
    expect(duel.connection.path.remote).toEqual(puppetAddress)
  })
})
