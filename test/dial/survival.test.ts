/** Transfers through a relay that restarts, and one that is gone for a while. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { describe, expect, it } from "vitest"
import { layerWithoutTrust, RelayServer } from "../../layers/node/index.ts"
import { DialAddress, Identity, QuicEndpoint, Trust } from "../../src/index.ts"
import { ask } from "../resumption/worlds.ts"
import { itSim } from "../sim/itSim.ts"
import { dialWorld, echoingAt, options, peerAt, RELAY, relayOnly, until } from "./dialWorld.ts"

const MEGABYTE = 1_000_000
const letters = (length: number) => new Uint8Array(length).fill(0x61)

/** A transfer there and back through the relay alone, while `happens`. */
const relayedTransfer = Effect.fnUntraced(function* (
  happens: (relays: Effect.Success<ReturnType<typeof dialWorld>>["relays"]) => Effect.Effect<void>
) {
  const world = yield* dialWorld()
  world.cable.set({ up: false })
  const bob = yield* echoingAt(world.there)
  const alice = yield* peerAt(world.here)
  const address = yield* relayOnly(bob.endpoint)
  const connection = yield* alice.endpoint.dial(address, options)
  const asking = yield* Effect.forkScoped(ask(connection, letters(2 * MEGABYTE)))
  yield* until(() => world.relays.at(RELAY).forwardedBytes > 200_000)
  yield* happens(world.relays)
  expect((yield* Fiber.join(asking)).length).toBe(2 * MEGABYTE)
  expect(world.relays.at(RELAY).links.size).toBe(2)
  return { world, alice, bob, connection }
})

describe("a transfer through a relay", () => {
  itSim("survives that it restarts, as it said", () =>
    relayedTransfer((relays) =>
      Effect.sync(() =>
        relays.stop(RELAY, { _tag: "Restarting", reconnectInMillis: 500, tryForMillis: 10_000 }, false)
      )
    )
  )

  itSim("survives that it is gone for ten seconds", () =>
    Effect.gen(function* () {
      const { world } = yield* relayedTransfer((relays) =>
        Effect.gen(function* () {
          relays.stop(RELAY)
          yield* Effect.sleep(10_000)
          relays.start(RELAY)
        })
      )
      // tried with a backoff, not all the time
      expect(world.relays.at(RELAY).connects).toBeLessThan(25)
    })
  )

  itSim("goes on as soon as it is there again, however long it was gone", () =>
    relayedTransfer((relays) =>
      Effect.gen(function* () {
        relays.stop(RELAY)
        yield* Effect.sleep(8_000)
        relays.start(RELAY)
        yield* until(() => relays.at(RELAY).links.size === 2)
        const before = relays.at(RELAY).forwardedBytes
        yield* Effect.sleep(1_000)
        expect(relays.at(RELAY).forwardedBytes - before).toBeGreaterThan(100_000)
      })
    )
  )

  itSim("survives that it loses a link again and again", () =>
    relayedTransfer((relays) =>
      Effect.gen(function* () {
        for (let i = 0; i < 5; i++) {
          relays.stop(RELAY, { _tag: "Lost", problem: "reset" }, false)
          yield* Effect.sleep(700)
        }
      })
    )
  )
})

describe("an endpoint whose key another uses", () => {
  itSim("leaves the relay to it, and does not fight for it", () =>
    Effect.gen(function* () {
      const world = yield* dialWorld()
      const bob = yield* echoingAt(world.there)
      yield* bob.endpoint.online
      yield* peerAt(world.here, { identity: bob.identity })
      yield* Effect.sleep(20_000)
      expect(world.relays.at(RELAY).connects).toBe(2)
      const [relay] = yield* bob.endpoint.relays
      expect(relay.problem).toMatch(/same key/)
    })
  )
})

it("a transfer survives the restart of a real relay", () => {
  const where = { host: "127.0.0.1", discovery: false } as const
  const peer = (relay: string, server: boolean) =>
    Effect.gen(function* () {
      const identity = yield* Identity.generateRawKey
      const given = { host: "127.0.0.1", identity, relays: [relay] }
      const endpoint = yield* QuicEndpoint.make(server ? { ...given, server: { alpn: ["test"] } } : given)
      yield* endpoint.online
      return endpoint
    })
  const program = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const first = yield* Scope.provide(RelayServer.make({ ...where, port: 0 }), scope)
    const bob = yield* peer(first.url, true)
    const alice = yield* peer(first.url, false)
    yield* Effect.forkScoped(
      Effect.ignore(bob.serveStreams((stream) => Stream.run(stream.readable, stream.writable)))
    )
    const { publicKey, relays } = yield* bob.dialAddress
    const address = yield* DialAddress.make({ publicKey, relays })
    const connection = yield* alice.dial(DialAddress.ticket(address), options)
    const asking = yield* Effect.forkScoped(ask(connection, letters(8 * MEGABYTE)))
    yield* until(() => Effect.runSync(first.statistics).forwardedBytes > MEGABYTE)
    yield* first.drain({ reconnectIn: 100, tryFor: 10_000, deadline: 500 })
    yield* Scope.close(scope, Exit.void)
    const second = yield* RelayServer.make({ ...where, port: first.address.port })
    expect((yield* Fiber.join(asking)).length).toBe(8 * MEGABYTE)
    expect((yield* second.statistics).authenticated).toBeGreaterThanOrEqual(2)
  })
  return Effect.runPromise(
    program.pipe(Effect.scoped, Effect.provide(Layer.merge(layerWithoutTrust, Trust.layerAnyRawKey)))
  )
})
