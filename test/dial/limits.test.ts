/** What is bounded: relays in use, peers remembered, ways tried, and how often a relay is asked. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import { DialAddress, KnownPeers } from "../../src/index.ts"
import { Backoff } from "../../src/internal/Backoff.ts"
import { ReconnectDelay } from "../../src/relay/reconnectDelay.ts"
import { itSim } from "../sim/itSim.ts"
import { dialWorld, echoingAt, options, OTHER_RELAY, peerAt, relayOnly } from "./dialWorld.ts"

const key = (n: number) => new Uint8Array(32).fill(n).with(1, n >> 8)

describe("a relay that is lost", () => {
  it("is tried again ever later, half a minute at most, and early again once it has worked", () => {
    const delays = new ReconnectDelay()
    const waits = Array.from({ length: 12 }, () => delays.after("lost", 0, 0.5))
    expect(waits.slice(0, 4)).toEqual([250, 500, 1_000, 2_000])
    expect(waits.at(-1)).toBe(30_000)
    delays.reset()
    expect(delays.after("lost", 0, 0)).toBeCloseTo(200)
    delays.reset()
    expect(delays.after("lost", 0, 1)).toBeCloseTo(300)
  })

  it("is left alone for longer if another has the key, or it lets us in no more", () => {
    for (const [end, most] of [
      ["replaced", 300_000],
      ["denied", 600_000]
    ] as const) {
      const delays = new ReconnectDelay()
      expect(delays.after(end, 0, 0.5)).toBe(30_000)
      for (let i = 0; i < 30; i++) delays.after(end, 0, 0.5)
      expect(delays.after(end, 0, 0.5)).toBe(most)
    }
  })

  it("and restarts is asked when it says, and often as long as it says; neither is trusted beyond a minute", () => {
    const delays = new ReconnectDelay()
    expect(delays.afterRestarting(5_000, 20_000, 0, 0)).toBe(5_000)
    for (let i = 0; i < 10; i++) delays.after("lost", 6_000, 0.5)
    expect(delays.after("lost", 24_000, 0.5)).toBe(2_000)
    expect(delays.after("lost", 26_000, 0.5)).toBe(30_000)
    const most = 2 ** 32 - 1
    expect(new ReconnectDelay().afterRestarting(most, most, 0, 1)).toBeLessThanOrEqual(72_000)
  })
})

it("a path that failed is tried again after a second, then ever later, half a minute at most", () => {
  const backoff = new Backoff(() => 0.5)
  expect(backoff.isDue(0)).toBe(true)
  const waits: Array<number> = []
  for (let now = 0, i = 0; i < 8; i++) {
    backoff.next(now)
    waits.push(backoff.atMillis - now)
    expect(backoff.isDue(backoff.atMillis - 1)).toBe(false)
    now = backoff.atMillis
  }
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
  backoff.reset()
  backoff.next(0)
  expect(backoff.atMillis).toBe(1_000)
  const [least, most] = [0, 1].map((random) => new Backoff(() => random))
  const waitsOf = (one: Backoff) => Array.from({ length: 7 }, () => one.nextMillis())
  expect(waitsOf(least)).toEqual([1_000, 1_500, 3_000, 6_000, 12_000, 22_500, 22_500])
  expect(waitsOf(most)).toEqual([1_250, 2_500, 5_000, 10_000, 20_000, 30_000, 30_000])
})

it("known peers are 1,024, of each the four relays and eight addresses that worked last", () => {
  const known = KnownPeers.make()
  const learn = (n: number, place: object) =>
    Effect.runSync(known.learn(key(n), { relays: [], addresses: [], ...place }))
  for (let n = 0; n < 1_500; n++) learn(n, { relays: ["https://a/"] })
  expect(known.addresses).toHaveLength(1_024)
  expect(Effect.runSync(known.find(key(1))).relays).toEqual([])
  for (let i = 0; i < 20; i++)
    learn(1_499, { relays: [`https://a/${i}`], addresses: [{ host: "192.0.2.1", port: i + 1, family: 4 }] })
  const places = Effect.runSync(known.find(key(1_499)))
  expect(places.relays).toEqual([19, 18, 17, 16].map((i) => `https://a/${i}`))
  expect(places.addresses.map(({ port }) => port)).toEqual([20, 19, 18, 17, 16, 15, 14, 13])
  expect(known.addresses.at(-1)!.publicKey).toEqual(key(1_499))
  known.forget(key(1_499))
  expect(known.addresses).toHaveLength(1_023)
})

describe("an endpoint that dials", () => {
  itSim("uses sixteen relays of peers at a time, and leaves one that nobody needs after half a minute", () =>
    Effect.gen(function* () {
      const world = yield* dialWorld()
      const alice = yield* peerAt(world.here)
      const url = (i: number) => `https://relay${i}.example.org/`
      const dialing = (i: number) => alice.endpoint.dial({ publicKey: key(7), relays: [url(i)] }, options)
      const all = yield* Effect.forEach(
        Array.from({ length: 16 }, (_, i) => i),
        (i) => Effect.forkScoped(Effect.exit(dialing(i)))
      )
      yield* Effect.sleep(500)
      const refused = yield* Effect.flip(dialing(16))
      expect(refused.message).toMatch(/too many relays are in use/)
      expect((yield* alice.endpoint.relays).filter(({ isConfigured }) => !isConfigured)).toHaveLength(16)
      for (const each of all) expect(Exit.isFailure(yield* Fiber.join(each))).toBe(true)
      // one that nobody needs makes room
      expect((yield* Effect.flip(dialing(16))).message).toMatch(/no handshake/)
      yield* Effect.sleep(31_000)
      expect((yield* alice.endpoint.relays).filter(({ isConfigured }) => !isConfigured)).toHaveLength(0)
      expect(world.relays.at(url(3)).links.size).toBe(0)
    })
  )

  itSim("keeps a peer's relay for as long as the connection needs it", () =>
    Effect.gen(function* () {
      const world = yield* dialWorld()
      world.cable.set({ up: false })
      const bob = yield* echoingAt(world.there, { server: { alpn: ["test"] }, relays: [OTHER_RELAY] })
      const alice = yield* peerAt(world.here)
      const address = yield* relayOnly(bob.endpoint)
      const scope = yield* Scope.make()
      yield* Scope.provide(alice.endpoint.dial(address, options), scope)
      yield* Effect.sleep(40_000)
      expect(world.relays.at(OTHER_RELAY).links.size).toBe(2)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.sleep(31_000)
      expect(world.relays.at(OTHER_RELAY).links.size).toBe(1)
    })
  )

  itSim("tries two relays and eight addresses of a ticket that names more", () =>
    Effect.gen(function* () {
      const world = yield* dialWorld()
      const alice = yield* peerAt(world.here)
      const address = yield* DialAddress.make({
        publicKey: key(9),
        relays: Array.from({ length: 8 }, (_, i) => `https://relay${i}.example.org`),
        addresses: Array.from({ length: 32 }, (_, i) => ({ host: "10.0.0.2", port: 1_000 + i }))
      })
      const { reason } = yield* Effect.flip(alice.endpoint.dial(DialAddress.ticket(address), options))
      expect(reason._tag === "ConnectFailed" ? reason.attempts.length : reason._tag).toBe(10)
    })
  )
})
