/** Relays that lie, replay, drop and swap keys: they can delay and deny, but neither read, change nor pretend. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { describe, expect } from "vitest"
import type { Relayed } from "../../layers/sim/relay/SimRelay.ts"
import { SeededRandom } from "../../layers/sim/SeededRandom.ts"
import { DialAddress } from "../../src/index.ts"
import { sameBytes } from "../../src/internal/bytes.ts"
import { alpn, echoed, echoPeer } from "../nat/peers.ts"
import { layerOn, simulatedPeers } from "../nat/simulatedCell.ts"
import { itSim } from "../sim/itSim.ts"

/** Alice, the client, and Bob, who echoes; UDP is blocked at both, so that all goes through the relay. */
const relayedPair = Effect.fnUntraced(function* () {
  const world = yield* simulatedPeers({ client: "udp-blocked", server: "udp-blocked" })
  const { publicKey: bob } = yield* DialAddress.parse(world.ticket)
  return { ...world, bob, random: new SeededRandom("relay") }
})

const dialed = Effect.fnUntraced(function* () {
  const world = yield* relayedPair()
  const connection = yield* world.endpoint.dial(world.ticket, { alpn })
  expect(yield* echoed(connection, 1000)).toBe(1000)
  return { ...world, connection }
})

const flipped = (bytes: Uint8Array, random: SeededRandom): Uint8Array => {
  const copy = bytes.slice()
  copy[random.below(copy.length)] ^= 1 << random.below(8)
  return copy
}

describe("a relay", () => {
  itSim("that puts itself, or another, in the place of a peer is found out before anything is said", () =>
    Effect.gen(function* () {
      const world = yield* relayedPair()
      const mallory = yield* Effect.provide(echoPeer(world.told), layerOn(world.public))
      const { publicKey } = yield* DialAddress.parse(mallory.ticket)
      let swapped = 0
      world.relay.tamper = (relayed: Relayed) => {
        swapped++
        if (sameBytes(relayed.to, world.bob)) return [{ ...relayed, to: publicKey }]
        return sameBytes(relayed.from, publicKey) ? [{ ...relayed, from: world.bob }] : [relayed]
      }
      const error = yield* Effect.flip(world.endpoint.dial(world.ticket, { alpn }))
      expect(swapped).toBeGreaterThan(1)
      expect(error.message).toMatch(/raw public key|certificate|key/i)
      const { handshakes } = yield* mallory.endpoint.statistics
      // its own, with the nodes that tell it its address
      const own = mallory.endpoint.bootstraps.list.reduce((sum, { connections }) => sum + connections, 0)
      expect(handshakes.completed).toBe(own)
    })
  )

  itSim("that says datagrams come from another key breaks nothing, and reaches nobody", () =>
    Effect.gen(function* () {
      const { relay, connection, random } = yield* dialed()
      let mislabelled = 0
      relay.tamper = (relayed) => {
        if (!random.chance(0.3)) return [relayed]
        mislabelled++
        return [{ ...relayed, from: random.bytes(32) }]
      }
      expect(yield* echoed(connection, 200_000)).toBe(200_000)
      expect(mislabelled).toBeGreaterThan(50)
      expect(connection.paths.every(({ isValidated }) => isValidated)).toBe(true)
    })
  )

  itSim("that changes what it forwards delays it", () =>
    Effect.gen(function* () {
      const { relay, connection, random } = yield* dialed()
      let changed = 0
      relay.tamper = (relayed) => {
        if (!random.chance(0.2)) return [relayed]
        changed++
        return [{ ...relayed, bytes: flipped(relayed.bytes, random) }]
      }
      expect(yield* echoed(connection, 200_000)).toBe(200_000)
      expect(changed).toBeGreaterThan(50)
    })
  )

  itSim("that replays everything, now and later, is not believed twice", () =>
    Effect.gen(function* () {
      const { relay, connection, far } = yield* dialed()
      const { dropped: before } = yield* far.statistics
      const old: Array<Relayed> = []
      relay.tamper = (relayed) => {
        old.push(relayed)
        return [relayed, relayed, ...(old.length % 10 === 0 ? old.slice(-20) : [])]
      }
      expect(yield* echoed(connection, 200_000)).toBe(200_000)
      for (const relayed of old) relay.forge(relayed)
      yield* Effect.sleep("1 second")
      expect(yield* echoed(connection, 1000)).toBe(1000)
      const { dropped: after } = yield* far.statistics
      expect(after.duplicate - before.duplicate).toBeGreaterThan(100)
    })
  )

  itSim("that drops a third of all delays it; one that drops all is given up with a reason", () =>
    Effect.gen(function* () {
      const { relay, connection, random, endpoint, ticket } = yield* dialed()
      relay.tamper = (relayed) => (random.chance(0.3) ? [] : [relayed])
      expect(yield* echoed(connection, 100_000)).toBe(100_000)
      relay.tamper = () => []
      const exit = yield* Effect.exit(endpoint.dial(ticket, { alpn, connectTimeout: 5000 }))
      expect(Exit.isFailure(exit)).toBe(true)
      const error = yield* Effect.flip(echoed(connection, 1000))
      expect(error.message).toMatch(/idle|timed out|timeout|silent/i)
    })
  )

  itSim("that says a peer has left, which has not, takes nobody's connection", () =>
    Effect.gen(function* () {
      const { relay, connection, endpoint, bob } = yield* dialed()
      const { publicKey: alice } = yield* endpoint.dialAddress
      for (let i = 0; i < 100; i++) {
        relay.announceGone(alice, bob)
        relay.announceGone(bob, alice)
      }
      yield* Effect.sleep("1 second")
      expect(yield* echoed(connection, 10_000)).toBe(10_000)
    })
  )

  itSim("that invents ten thousand peers costs a table of bounded size, and nobody's connection", () =>
    Effect.gen(function* () {
      const { relay, connection, endpoint, random } = yield* dialed()
      const { publicKey: to } = yield* endpoint.dialAddress
      for (let i = 0; i < 10_000; i++) {
        relay.forge({ from: random.bytes(32), to, ecn: 0, bytes: random.bytes(60) })
        if (i % 200 === 0) yield* Effect.sleep(20)
      }
      expect(yield* echoed(connection, 10_000)).toBe(10_000)
      const [{ counters }] = yield* endpoint.relays
      expect(counters?.received).toBeGreaterThan(9_000)
    })
  )
})
