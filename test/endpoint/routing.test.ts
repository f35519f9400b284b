/** How an endpoint finds a datagram's connection when strangers influence the lookup keys. */
import { describe, expect, it, vi } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { Duel, puppetAddress } from "../connection/Duel.ts"
import { Puppet } from "../connection/Puppet.ts"
import { suite } from "../io.ts"

describe("the connection ID that a client chose for its first flight", () => {
  const shaken = () => {
    const duel = new Duel({ victim: "server" })
    const initial = duel.puppet.outbox[0].slice()
    return { duel: duel.shakeHands(), initial }
  }

  it("routes to its connection for some seconds more, so that a late copy does not start another", () => {
    const { duel, initial } = shaken()
    duel.advance(2_900_000).inject(initial.slice())
    expect(duel.endpoint.connections.size).toBe(1)
  })

  it("is forgotten after the handshake, while the connection lives on", () => {
    const { duel, initial } = shaken()
    const before = duel.endpoint.routedIds
    duel.advance(3_100_000).exchange()
    expect(duel.endpoint.routedIds).toBe(before - 1)
    expect(duel.connection.closeReason).toBeUndefined()
    const begun = duel.endpoint.handleDatagram(initial.slice(), puppetAddress, 0, duel.nowMicros)
    expect(begun).not.toBe(duel.connection)
  })

  it("leaves nothing behind once its connection is gone, whether it expired before or not", () => {
    for (const seconds of [0, 8]) {
      const { duel } = shaken()
      duel.advance(seconds * 1_000_000)
      duel.endpoint.forget(duel.connection)
      expect(duel.endpoint.routedIds).toBe(0)
    }
  })

  it("may share a prefix with one in use", () => {
    const duel = new Duel({ victim: "server" }).shakeHands()
    const { bytes: random } = new SeededRandom("namesake")
    const ours = duel.puppet.destination
    const namesake = new Puppet({
      role: "client",
      suite,
      random: (length) =>
        length === ours.length ? Uint8Array.of(...ours.slice(0, 7), 0xee) : random(length),
      identity: duel.puppet.options.identity
    })
    namesake.start()
    const accepted = duel.endpoint.handleDatagram(namesake.outbox[0], puppetAddress, 0, duel.nowMicros)
    expect(accepted).toBeDefined()
    expect(accepted).not.toBe(duel.connection)
  })
})

describe("a stateless reset", () => {
  const token = (n: number): Uint8Array => Uint8Array.from({ length: 16 }, (_, i) => (i === 15 ? n >> 8 : n))

  /** A client of `count` more connections to one server, each with a reset token. */
  const crowd = (count: number) => {
    const duel = new Duel({ victim: "client" })
    const { endpoint, connection, nowMicros } = duel
    const { tls, transport } = connection.config
    const connections = Array.from({ length: count }, (_, i) => {
      const another = endpoint.connect(puppetAddress, tls!, transport, nowMicros)
      another.path.peerIds.setFirstToken(token(i))
      endpoint.routeIds(another)
      return another
    })
    const reset = (ending: Uint8Array, from = puppetAddress) => {
      const datagram = new Uint8Array(60).fill(0x55)
      datagram.set(ending, 44)
      endpoint.handleDatagram(datagram, from, 0, nowMicros)
    }
    return { endpoint, connections, reset }
  }

  it("finds its connection without comparing secrets with a stranger's bytes", () => {
    const { connections, reset } = crowd(1_000)
    const compared = vi.spyOn(suite, "equal")
    reset(token(5_000))
    expect(connections.filter(({ closeReason }) => closeReason !== undefined)).toEqual([])
    reset(token(777))
    expect(compared).not.toHaveBeenCalled()
    compared.mockRestore()
    const ended = connections.flatMap(({ closeReason }, i) => (closeReason === undefined ? [] : [i]))
    expect(ended).toEqual([777])
  })

  // RFC 9000 §10.3.1
  it("is ignored if it does not come from its connection's remote address", () => {
    const { connections, reset } = crowd(2)
    reset(token(1), { ...puppetAddress, port: 4434 })
    expect(connections[1].closeReason).toBeUndefined()
  })

  it("is recognized no longer than its connection lives, and neither is its connection ID", () => {
    const { endpoint, connections } = crowd(3)
    expect(endpoint.resetTokens).toBe(3)
    endpoint.forget(connections[0])
    expect(endpoint.resetTokens).toBe(2)
    const { peerIds } = connections[1].path
    peerIds.onNew(1, 1, Uint8Array.of(1, 2, 3), token(9))
    endpoint.routeIds(connections[1])
    expect(endpoint.resetTokens).toBe(2)
    for (const connection of endpoint.connections) endpoint.forget(connection)
    expect(endpoint.resetTokens).toBe(0)
  })
})
