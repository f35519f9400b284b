/** What a peer says of its addresses, and what is made of it. */
import { describe, expect, it } from "vitest"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { AddressScope, addressScope } from "../../src/wire/addressScope.ts"
import { RemoteCandidates } from "../../src/nat/RemoteCandidates.ts"
import { socketAddress } from "../../src/wire/SocketAddress.ts"
import { NatWorld } from "./NatWorld.ts"

const at = (host: string, port = 40_000) => socketAddress(host, port)!
const remotes = (isPrivateAllowed = true) =>
  new RemoteCandidates(8, () => ({ isPrivateAllowed, isRelayed: ({ host }) => host.startsWith("fd7a:") }))
const random = () => new SeededRandom("guesses").bytes

describe("E5 a hostile peer's addresses", () => {
  it("a thousand of them are eight", () => {
    const hostile = remotes()
    for (let n = 0; n < 1000; n++) {
      const address = at(`198.51.${n >> 8}.${n & 255}`)
      hostile.advertise(n, address)
      hostile.reachOut(address)
      hostile.sendsFrom(address, n)
    }
    expect(hostile.count).toBe(24)
    expect(hostile.all.filter(({ kind }) => kind === "peerReflexive")).toHaveLength(8)
    expect(hostile.refused).toBe(2 * 992)
  })

  it("none is taken that must not be probed", () => {
    const hostile = remotes(false)
    const all = [
      "127.0.0.1",
      "::1",
      "224.0.0.1",
      "ff02::1",
      "169.254.1.1",
      "fe80::1",
      "10.0.0.1",
      "fd7a::1",
      "0.0.0.0"
    ]
    for (const [seq, host] of all.entries()) {
      expect(hostile.advertise(seq, at(host))).toBe(false)
      expect(hostile.reachOut(at(host))).toBe(false)
      expect(hostile.sendsFrom(at(host), 0)).toBe(false)
    }
    expect(hostile.advertise(99, at("198.51.100.1", 53))).toBe(false)
    expect(hostile.all).toEqual([])
    expect(hostile.refused).toBe(3 * all.length + 1)
  })

  it("a withdrawn number makes room, an unknown one is ignored, and a round's addresses last for the round", () => {
    const peer = remotes()
    for (let seq = 0; seq < 8; seq++) peer.advertise(seq, at(`198.51.100.${seq}`))
    expect(peer.advertise(8, at("198.51.100.8"))).toBe(false)
    expect(peer.withdraw(3)).toEqual(at("198.51.100.3"))
    expect(peer.withdraw(77)).toBeUndefined()
    expect(peer.advertise(8, at("198.51.100.8"))).toBe(true)
    expect(peer.reachOut(at("198.51.100.50"))).toBe(true)
    expect(peer.reachOut(at("198.51.100.50"))).toBe(false)
    peer.startRound()
    expect(peer.count).toBe(8)
  })

  it("one that asks for ever new rounds, and names ever new addresses, has us probe no more than 256 at a time", () => {
    const world = new NatWorld("none", "none", 1)
    const { session } = world.server
    world.server.gather()
    for (let round = 1; round < 500; round++) {
      for (let n = 0; n < 64; n++)
        session.handleReachOut(round, at(`198.51.${round & 255}.${n}`), world.nowMicros)
      session.drive(world.nowMicros)
      world.run(0.01)
      expect(session.pairs.all.length).toBeLessThanOrEqual(256)
      expect(session.remotes.count).toBeLessThanOrEqual(32)
    }
    // at most three each 50 ms
    expect(world.server.probes).toBeLessThan((world.nowMicros / 50_000) * 3 * 9)
  })
})

describe("E3 a peer whose ports are random", () => {
  it("is looked for where its other ports are, each once, whatever the rounds", () => {
    const peer = remotes()
    for (const [seq, port] of [40_010, 40_200, 40_090, 40_140].entries())
      peer.advertise(seq, at("198.51.100.9", port))
    const draw = random()
    const ports = [1, 2, 3, 4, 5].flatMap(() => peer.guesses(draw).map(({ address }) => address.port))
    expect(peer.guesses(draw)).toEqual([])
    expect(new Set(ports).size).toBe(ports.length)
    expect(ports.length).toBeGreaterThan(256)
    expect(Math.min(...ports)).toBe(39_946)
    expect(Math.max(...ports)).toBe(40_264)
  })

  it("is not looked for all over, nor if there is nothing to judge by, nor if it counts", () => {
    const guessed = (ports: ReadonlyArray<number>, host = "198.51.100.9") => {
      const peer = remotes()
      for (const [seq, port] of ports.entries()) peer.advertise(seq, at(host, port))
      return peer.guesses(random()).length
    }
    expect(guessed([2000, 30_000, 60_000, 11_000])).toBe(0)
    expect(guessed([40_010, 40_200])).toBe(0)
    expect(guessed([40_010, 40_011, 40_012])).toBe(0)
    expect(guessed([40_010, 40_200, 40_090], "10.0.0.9")).toBe(0)
    expect(guessed([40_010, 40_200, 40_090])).toBe(64)
    expect(addressScope(at("10.0.0.9"))).toBe(AddressScope.site)
  })
})
