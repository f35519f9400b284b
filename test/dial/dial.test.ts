/** Dialing by key: through a relay from the first flight, directly where that is possible, and to nobody else. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import {
  DialAddress,
  Identity,
  KnownPeers,
  PeerId,
  PeerLookup,
  QuicEndpoint,
  Trust
} from "../../src/index.ts"
import { ask } from "../resumption/worlds.ts"
import { itSim } from "../sim/itSim.ts"
import {
  dialWorld,
  echoingAt,
  options,
  OTHER_RELAY,
  pathKinds,
  peerAt,
  RELAY,
  relayOnly,
  until
} from "./dialWorld.ts"

const MEGABYTE = 1_000_000
const letters = (length: number) => new Uint8Array(length).fill(0x61)
const cut = { up: false }
const whole = { up: true }

const peerIdOf = (connection: { readonly facts: { readonly peer: unknown } }): string => {
  const { peer } = connection.facts as { readonly peer: { readonly spki: Uint8Array } }
  return PeerId.fromSpki(peer.spki)
}

describe("a dial", () => {
  itSim("with a ticket goes through the relay where nothing else does, and both know who the other is", () =>
    Effect.gen(function* () {
      const world = yield* dialWorld()
      world.cable.set(cut)
      const bob = yield* peerAt(world.there, { server: { alpn: ["test"] } })
      const alice = yield* peerAt(world.here)
      yield* bob.endpoint.online
      const ticket = DialAddress.ticket(yield* bob.endpoint.dialAddress)
      const accepted = yield* Effect.forkScoped(bob.endpoint.accept)
      const near = yield* alice.endpoint.dial(ticket, options)
      const far = yield* Fiber.join(accepted)
      expect(peerIdOf(near)).toBe(bob.identity.peerId)
      expect(peerIdOf(far)).toBe(alice.identity.peerId)
      expect(near.facts.serverName ?? near.facts.alpn).toBeDefined()
      expect(pathKinds(near)).toEqual(["relay"])
      expect(pathKinds(far)).toEqual(["relay"])
      yield* Effect.forkScoped(
        Effect.ignore(far.serveStreams((s) => Effect.andThen(s.write(letters(3)), s.finish)))
      )
      expect((yield* ask(near, letters(1))).length).toBe(3)
    })
  )

  itSim(
    "goes to the relay and to the addresses at once; the direct path carries, and the relay is a backup",
    () =>
      Effect.gen(function* () {
        const world = yield* dialWorld()
        const bob = yield* echoingAt(world.there)
        const alice = yield* peerAt(world.here)
        yield* bob.endpoint.online
        yield* alice.endpoint.online
        const address = yield* bob.endpoint.dialAddress
        expect(address.addresses).toEqual([
          { host: "10.0.0.2", port: bob.endpoint.localAddress.port, family: 4 }
        ])
        expect(address.relays).toEqual([RELAY])
        const connection = yield* alice.endpoint.dial(address, options)
        yield* until(() => pathKinds(connection).length === 2)
        yield* Effect.sleep(500)
        expect([...pathKinds(connection)].sort()).toEqual(["direct", "relay idle"])
        const before = world.relays.at(RELAY).forwardedBytes
        expect((yield* ask(connection, letters(MEGABYTE))).length).toBe(MEGABYTE)
        expect(world.relays.at(RELAY).forwardedBytes - before).toBeLessThan(10_000)
      })
  )

  itSim("that began at the relay goes on directly once the addresses answer", () =>
    Effect.gen(function* () {
      const world = yield* dialWorld()
      world.cable.set(cut)
      const bob = yield* echoingAt(world.there)
      const alice = yield* peerAt(world.here)
      yield* bob.endpoint.online
      const connection = yield* alice.endpoint.dial(yield* bob.endpoint.dialAddress, options)
      expect(pathKinds(connection)).toContain("relay")
      yield* Effect.sleep(5_000)
      expect(pathKinds(connection)).not.toContain("direct")
      world.cable.set(whole)
      yield* until(() => pathKinds(connection).includes("direct"))
      expect(pathKinds(connection)).toContain("relay idle")
      const before = world.relays.at(RELAY).forwardedBytes
      expect((yield* ask(connection, letters(MEGABYTE))).length).toBe(MEGABYTE)
      expect(world.relays.at(RELAY).forwardedBytes - before).toBeLessThan(10_000)
    })
  )

  itSim("is back on the relay within a second when the direct path dies, and loses nothing", () =>
    Effect.gen(function* () {
      const world = yield* dialWorld()
      const bob = yield* echoingAt(world.there)
      const alice = yield* peerAt(world.here)
      yield* bob.endpoint.online
      const connection = yield* alice.endpoint.dial(yield* bob.endpoint.dialAddress, options)
      yield* until(() => pathKinds(connection).includes("relay idle"))
      world.cable.set({ bitsPerSecond: 50e6 })
      const asking = yield* Effect.forkScoped(ask(connection, letters(4 * MEGABYTE)))
      yield* Effect.sleep(300)
      world.cable.set(cut)
      const began = yield* Clock.currentTimeMillis
      const before = world.relays.at(RELAY).forwardedBytes
      yield* until(() => world.relays.at(RELAY).forwardedBytes > before + 20_000)
      expect((yield* Clock.currentTimeMillis) - began).toBeLessThan(1_000)
      expect((yield* Fiber.join(asking)).length).toBe(4 * MEGABYTE)
    })
  )

  itSim("of somebody else's key is refused, whoever the relay delivers to", () =>
    Effect.gen(function* () {
      const world = yield* dialWorld()
      world.cable.set(cut)
      const mallory = yield* echoingAt(world.there)
      const alice = yield* peerAt(world.here)
      const bobs = yield* Effect.provide(Identity.generateRawKey, world.here)
      const address = yield* relayOnly(mallory.endpoint)
      const forBob = DialAddress.publicKeyOf(bobs)!
      // the relay hands what is for Bob to Mallory, and says that her answers are his
      const { relays } = world
      const forward = relays.forward.bind(relays)
      relays.forward = (url, from, to, ecn, bytes) => {
        const isForBob = Buffer.from(to).equals(forBob)
        const isFromMallory = Buffer.from(from).equals(address.publicKey)
        forward(url, isFromMallory ? forBob : from, isForBob ? address.publicKey : to, ecn, bytes)
      }
      const error = yield* Effect.flip(alice.endpoint.dial({ publicKey: forBob, relays: [RELAY] }, options))
      expect(error.message).toMatch(/not among the known ones/)
    })
  )

  itSim("says why for each way that it tried", () =>
    Effect.gen(function* () {
      const world = yield* dialWorld()
      world.cable.set(cut)
      const alice = yield* peerAt(world.here)
      const bobs = yield* Effect.provide(Identity.generateRawKey, world.here)
      const publicKey = DialAddress.publicKeyOf(bobs)!
      world.relays.stop(OTHER_RELAY)
      const addresses = [{ host: "10.0.0.2", port: 7 }]
      const relays = [RELAY, OTHER_RELAY]
      const all = yield* Effect.flip(alice.endpoint.dial({ publicKey, relays, addresses }, options))
      expect(all.message).toContain(`cannot connect to ${PeerId.short(bobs.peerId)}`)
      expect(all.message).toContain(`${RELAY} to ${PeerId.short(bobs.peerId)}: no handshake`)
      expect(all.message).toContain("connection refused")
      expect(all.message).toContain("10.0.0.2:7: ")
      expect(all.message).not.toMatch(/fd51/)
      world.relays.at(OTHER_RELAY).denies = true
      const denied = yield* Effect.flip(alice.endpoint.dial({ publicKey, relays: [OTHER_RELAY] }, options))
      expect(denied.message).toBe(`cannot reach ${OTHER_RELAY}: this key is not on the list`)
      const none = yield* Effect.flip(alice.endpoint.dial({ publicKey }, options))
      expect(none.message).toMatch(/neither a relay nor an address of it is known/)
    })
  )

  itSim("names the option that is wrong", () =>
    Effect.gen(function* () {
      const world = yield* dialWorld()
      const alice = yield* peerAt(world.here)
      const publicKey = letters(32)
      const dialing = (address: unknown, given: unknown = options) =>
        Effect.map(
          Effect.flip(alice.endpoint.dial(address as never, given as never)),
          ({ message }) => message
        )
      expect(yield* dialing("hello")).toMatch(/^ticket: /)
      expect(yield* dialing({ publicKey: letters(31) })).toMatch(/^address\.publicKey: /)
      expect(yield* dialing({ publicKey, relays: ["x"] })).toMatch(/^address\.relays\.0: /)
      expect(yield* dialing({ publicKey }, {})).toMatch(/^alpn: /)
      expect(yield* dialing({ publicKey }, { ...options, host: "example.org" })).toMatch(/^host: /)
      expect(yield* dialing({ publicKey }, { ...options, attemptDelay: 1 })).toMatch(/^attemptDelay: /)
      expect(yield* dialing({ publicKey }, { ...options, transport: { maxPaths: 9 } })).toMatch(
        /^transport\.maxPaths: /
      )
      const made = (given: object, layer = world.here) =>
        QuicEndpoint.make(given).pipe(
          Effect.provide(Layer.merge(layer, Trust.layerAnyRawKey)),
          Effect.flip,
          Effect.map(({ message }) => message)
        )
      const { identity } = alice
      expect(yield* made({ relays: [RELAY] })).toMatch(/^identity: /)
      expect(yield* made({ identity: 7 })).toMatch(/^identity: /)
      expect(yield* made({ identity, relays: [RELAY, RELAY] })).toMatch(/^relays\.1: /)
      expect(yield* made({ identity, relays: ["ftp://a"] })).toMatch(/^relays\.0: /)
      expect(yield* made({ server: { alpn: ["test"] } })).toMatch(/^server\.identity: /)
    })
  )
})

describe("an endpoint", () => {
  itSim("has the nearest of its relays as its home, and another when that is gone", () =>
    Effect.gen(function* () {
      const world = yield* dialWorld({ [RELAY]: 80, [OTHER_RELAY]: 10 })
      const bob = yield* echoingAt(world.there, { server: { alpn: ["test"] }, relays: [RELAY, OTHER_RELAY] })
      yield* until(
        () => world.relays.at(RELAY).links.size === 1 && world.relays.at(OTHER_RELAY).links.size === 1
      )
      yield* Effect.sleep(500)
      expect((yield* bob.endpoint.dialAddress).relays).toEqual([OTHER_RELAY, RELAY])
      world.relays.stop(OTHER_RELAY)
      yield* Effect.sleep(10)
      expect((yield* bob.endpoint.dialAddress).relays).toEqual([RELAY])
      const [first, second] = yield* bob.endpoint.relays
      expect(first).toMatchObject({
        url: RELAY,
        isLinked: true,
        isHome: true,
        isConfigured: true,
        rttMillis: 160
      })
      expect(second).toMatchObject({ url: OTHER_RELAY, isLinked: false, isHome: false })
      expect(second.problem).toMatch(/gone|refused/)
    })
  )

  itSim("remembers where a peer has answered, and dials it by its key alone", () =>
    Effect.gen(function* () {
      const world = yield* dialWorld()
      const bob = yield* echoingAt(world.there)
      const known = KnownPeers.make()
      const here = Layer.merge(world.here, Layer.succeed(PeerLookup, known)) as typeof world.here
      const alice = yield* peerAt(here)
      yield* bob.endpoint.online
      const address = yield* bob.endpoint.dialAddress
      const { publicKey } = address
      yield* Effect.scoped(alice.endpoint.dial(address, options))
      expect(known.addresses).toHaveLength(1)
      expect([...known.addresses[0].relays, ...known.addresses[0].addresses]).toHaveLength(1)
      const again = yield* alice.endpoint.dial({ publicKey }, options)
      expect((yield* ask(again, letters(10))).length).toBe(10)
    })
  )

  itSim("stays connected with a peer that is dialed by key, though the peer is started anew", () =>
    Effect.gen(function* () {
      const world = yield* dialWorld()
      world.cable.set(cut)
      const identity = yield* Effect.provide(Identity.generateRawKey, world.there)
      const alice = yield* peerAt(world.here)
      const start = Effect.gen(function* () {
        const scope = yield* Scope.make()
        const server = { alpn: ["test"] }
        const bob = yield* Scope.provide(echoingAt(world.there, { identity, server }), scope)
        return { address: yield* relayOnly(bob.endpoint), stop: Scope.close(scope, Exit.interrupt()) }
      })
      const first = yield* start
      const peer = yield* alice.endpoint.peer({ address: first.address, alpn: ["test"] })
      expect(peer.name).toBe(PeerId.short(identity.peerId))
      const asked = (bytes: Uint8Array) =>
        Effect.scoped(Effect.flatMap(peer.connection, (connection) => ask(connection, bytes)))
      expect((yield* asked(letters(5))).length).toBe(5)
      yield* first.stop
      yield* start
      expect((yield* Effect.retry(asked(letters(6)), { times: 5 })).length).toBe(6)
    })
  )
})
